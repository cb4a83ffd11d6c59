package webhook_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook"
)

func TestMuxRoutesToTheBestPattern(t *testing.T) {
	var mux webhook.Mux
	var called string
	handle := func(name string) func(context.Context, webhook.Event) error {
		return func(context.Context, webhook.Event) error { called = name; return nil }
	}
	for _, pattern := range []string{"*", "invoice.*", "invoice.paid", "*.created", "invoice.*.failed", "Push Hook", "a*b*c", "a*bc"} {
		if err := mux.Handle(pattern, handle(pattern)); err != nil {
			t.Fatal(err)
		}
	}
	for _, pattern := range []string{"invoice.*", "push"} {
		if err := mux.For("github").Handle(pattern, handle("github "+pattern)); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		provider, eventType, want string
	}{
		{"stripe", "invoice.paid", "invoice.paid"},
		{"stripe", "invoice.void", "invoice.*"},
		{"stripe", "invoice.payment.failed", "invoice.*.failed"},
		{"stripe", "invoice.", "*"}, // a star is at least one character
		{"stripe", "invoice.failed", "invoice.*"},
		{"stripe", "customer.created", "*.created"},
		{"stripe", "invoice.created", "invoice.*"}, // as many literal characters as *.created has: registered first
		{"stripe", ".created", "*"},
		{"stripe", "xinvoice.paid", "*"},
		{"stripe", "INVOICE.PAID", "*"}, // types are compared as they are
		{"gitlab", "Push Hook", "Push Hook"},
		{"stripe", "a1b2c", "a*b*c"},
		{"stripe", "a1bc", "a*bc"},
		{"stripe", "abc", "*"},
		{"stripe", "a", "*"}, // nothing left for the stars of a*b*c
		{"stripe", "", ""},
		{"github", "invoice.paid", "github invoice.*"}, // the provider's own patterns go before better ones of all
		{"github", "push", "github push"},
		{"github", "pull", "*"},
		{"gitlab", "push", "*"},
	}
	for _, tt := range tests {
		called = ""
		if err := mux.OnEvent(t.Context(), webhook.Event{Provider: tt.provider, Type: tt.eventType}); err != nil {
			t.Fatal(err)
		}
		if called != tt.want {
			t.Errorf("%s %q went to %q, want %q", tt.provider, tt.eventType, called, tt.want)
		}
	}
}

func TestMuxAcceptsWhatNobodyAskedFor(t *testing.T) {
	var mux webhook.Mux
	if err := mux.OnEvent(t.Context(), webhook.Event{Type: "new.kind"}); err != nil {
		t.Errorf("OnEvent = %v", err)
	}
}

func TestOnDecodesThePayload(t *testing.T) {
	var mux webhook.Mux
	failed := errors.New("failed")
	var got invoice
	err := errors.Join(
		webhook.On(&mux, "invoice.paid", func(_ context.Context, v invoice, e webhook.Event) error {
			got = v
			return nil
		}),
		webhook.On(&mux, "invoice.void", func(context.Context, invoice, webhook.Event) error { return failed }),
		webhook.On(&mux, "raw", func(_ context.Context, v, e webhook.Event) error {
			if string(v.Body) != "not JSON" || string(e.Body) != "not JSON" {
				t.Errorf("Event = %q, %q", v.Body, e.Body)
			}
			return failed
		}),
	)
	if err != nil {
		t.Fatal(err)
	}
	if err := mux.OnEvent(t.Context(), webhook.Event{Type: "invoice.paid", Body: []byte(`{"id":"in_1"}`)}); err != nil || got.ID != "in_1" {
		t.Errorf("OnEvent = %v, payload %+v", err, got)
	}
	if err := mux.OnEvent(t.Context(), webhook.Event{Type: "invoice.void", Body: []byte(`{}`)}); !errors.Is(err, failed) {
		t.Errorf("OnEvent = %v, want the handler's error", err)
	}
	if err := mux.OnEvent(t.Context(), webhook.Event{Type: "invoice.paid", Body: []byte(`{`)}); !errors.Is(err, webhook.ErrPayload) {
		t.Errorf("OnEvent = %v, want ErrPayload", err)
	}
	if err := mux.OnEvent(t.Context(), webhook.Event{Type: "raw", Body: []byte(`not JSON`)}); !errors.Is(err, failed) {
		t.Errorf("OnEvent = %v, want an Event passed as it is", err)
	}
}

func TestMuxRefuses(t *testing.T) {
	var mux webhook.Mux
	fine := func(context.Context, webhook.Event) error { return nil }
	if err := errors.Join(mux.Handle("a", fine), mux.Handle("a.*", fine)); err != nil {
		t.Fatal(err)
	}
	var none *webhook.Mux
	for name, err := range map[string]error{
		"a pattern beyond reason": mux.Handle(strings.Repeat("*a", 600), fine),
		"an exact pattern twice":  mux.Handle("a", fine),
		"a wild pattern twice":    mux.Handle("a.*", fine),
		"no pattern":              mux.Handle("", fine),
		"no function":             mux.Handle("b", nil),
		"no typed function":       webhook.On[invoice](&mux, "b", nil),
		"no Mux":                  none.Handle("b", fine),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), "webhook: ") {
			t.Errorf("%s: %v, want an error", name, err)
		}
	}
}
