package callback_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http/httptest"

	"github.com/gatehouse-go/gatehouse/callback"
)

// With a store, all sessions of a person can be ended at once, as after a change of password.
func ExampleNewMemorySessions() {
	store, err := callback.NewMemorySessions(callback.MemorySessionsConfig{MaxSessions: 10_000})
	if err != nil {
		fmt.Println(err)
		return
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	keys, err := callback.NewKeyring(key)
	if err != nil {
		fmt.Println(err)
		return
	}
	sessions, err := callback.NewSessions(callback.SessionsConfig[string]{Keys: keys, Store: store, Subject: func(user string) string { return user }})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 { // two browsers
		if err := sessions.Start(httptest.NewRecorder(), httptest.NewRequest("GET", "https://app.example/", nil), "ann"); err != nil {
			fmt.Println(err)
			return
		}
	}
	ended, err := sessions.RevokeUser(context.Background(), "ann")
	fmt.Println(ended, err)
	// Output: 2 <nil>
}
