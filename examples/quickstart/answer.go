package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
)

// must returns v, or ends the program with everything that New found wrong. A server that is set up wrongly should not start.
func must[T any](v T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
	return v
}

// check is must for what returns nothing else.
func check(err error) { must(struct{}{}, err) }

// answer sends v as JSON, or a plain 500.
func answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		http.Error(w, "cannot answer now", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) //nolint:errchkjson // what the quickstart sends can be encoded, and the client may be gone
}

// says answers every request with v.
func says(v any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, v, nil) })
}
