package invalid_test

import (
	"errors"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

func TestConfigReportsEveryMistake(t *testing.T) {
	c := invalid.Config{Package: "webhook"}
	if err := c.Err(); err != nil {
		t.Fatalf("no mistakes: got %v", err)
	}
	c.Field("MaxBody", -1, "must not be negative")
	c.Field("PublicURL", "ftp://x", "must begin with https://")
	c.Hidden("Secrets[0]", "must not be empty")
	err := c.Err()
	want := "webhook: MaxBody = -1 must not be negative\n" +
		"webhook: PublicURL = \"ftp://x\" must begin with https://\n" +
		"webhook: Secrets[0] must not be empty"
	if err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
	var m *invalid.Mistake
	if !errors.As(err, &m) || m.Field != "MaxBody" {
		t.Errorf("errors.As finds the first mistake: got %+v", m)
	}
}

func TestConfigJoinsTheMistakesOfAnother(t *testing.T) {
	inner := invalid.Config{Package: "security"}
	inner.Field("A", 1, "must be 2")
	inner.Field("B", 3, "must be 4")
	outer := invalid.Config{Package: "security"}
	outer.Join(nil)
	if outer.Err() != nil {
		t.Error("nil is no mistake")
	}
	outer.Join(inner.Err())
	outer.Hidden("C", "must not be empty")
	if got, want := outer.Err().Error(), "security: A = 1 must be 2\nsecurity: B = 3 must be 4\nsecurity: C must not be empty"; got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
