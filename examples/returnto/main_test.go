package main

import (
	"strings"
	"testing"
)

func TestEachLineGetsOneAnswer(t *testing.T) {
	const base = `"base":"https://app.example.com/auth/callback?code=c","allowed_hosts":["docs.example.com:8443"]`
	in := strings.Join([]string{
		`{"input":"/a/../b?c=1#d",` + base + `}`,
		`{"input":"settings",` + base + `}`,
		`{"input":"https://docs.example.com:8443/guide",` + base + `}`,
		`{"input":"https://app.example.com/<x>",` + base + `}`,
		`{"input":"/./\\evil.example",` + base + `}`,
		`{"input":"/x","base":"https://app.example.com/","allowed_hosts":["*"]}`,
		`{"input":"/x","base":"https://app.exam ple.com/"}`,
		`not JSON`,
		`{"input":"//evil.example",` + base + `}`, // the last line needs no newline
	}, "\n")
	want := `{"ok":true,"location":"/b?c=1#d"}
{"ok":true,"location":"/auth/settings"}
{"ok":true,"location":"https://docs.example.com:8443/guide"}
{"ok":true,"location":"https://app.example.com/%3Cx%3E"}
` + strings.Repeat(`{"ok":false,"location":""}`+"\n", 5)
	var out, reasons strings.Builder
	if err := run(strings.NewReader(in), &out, &reasons); err != nil {
		t.Fatal(err)
	}
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
	if n := strings.Count(reasons.String(), "\n"); n != 5 {
		t.Errorf("%d reasons for 5 refusals:\n%s", n, reasons.String())
	}
}
