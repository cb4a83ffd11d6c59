// Package engine is what the engines of the inbox share, for those who write one: how an event is kept and waits to be stored, how types take turns,
// how an attempt is made and recorded, how an operator decides. Programs that use an engine do not need it.
package engine
