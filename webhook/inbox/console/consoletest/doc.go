// Package consoletest drives the console over a real ledger, by itself and in a real browser. It is a module of its own, so that the library
// requires neither a driver of SQLite nor one of browsers.
package consoletest
