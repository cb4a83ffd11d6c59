// Package examples holds one folder a task, each a program to copy.
package examples
