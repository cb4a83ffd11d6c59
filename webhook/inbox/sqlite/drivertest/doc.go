// Package drivertest runs the conformance suite of the inbox over SQLite with the drivers that people use. It is a module of its own, so
// that the library requires no driver.
package drivertest
