package main

import _ "github.com/gatehouse-go/gatehouse/internal/sample" // allowed: a test that replays sample data
