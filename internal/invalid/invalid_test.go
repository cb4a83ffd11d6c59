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
