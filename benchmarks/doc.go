// Package benchmarks measures gatehouse beside other libraries.
package benchmarks
