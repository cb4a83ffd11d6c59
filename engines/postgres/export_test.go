package postgres

// What tests look at.
var (
	Stored   = stored
	Original = original
	ByIndex  = byIndex
)
