package postgres

// What tests look at.
var (
	Stored   = stored
	Original = original
	ByIndex  = byIndex
)

// Locks that tests take.
const (
	LockSchema = lockSchema
	LockOwner  = lockOwner
)
