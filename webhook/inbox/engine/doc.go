// Package engine is what the engines of the inbox share, for those who write one: how types take turns, how an attempt is guarded, how
// an event is kept. Programs that use an engine do not need it.
package engine
