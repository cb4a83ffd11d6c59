package callback_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/gatehouse-go/gatehouse/callback"
)

// exampleParts returns the keys and the return targets of the examples.
func exampleParts() (*callback.Keyring, *callback.ReturnTo) {
	keys, err := callback.NewKeyring([]byte("Xq3#pN8!vT5^kZ1&mB7*rL4(wD9)yG2@")) // from the environment
	if err != nil {
		panic(err)
	}
	returnTo, err := callback.NewReturnTo("https://app.example.com")
	if err != nil {
		panic(err)
	}
	return keys, returnTo
}

// open requests a page with the cookies of earlier answers.
func open(h http.Handler, method, target, form string, before ...*httptest.ResponseRecorder) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(form))
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, w := range before {
		for _, c := range w.Result().Cookies() {
			r.AddCookie(c)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// A magic link signs in whoever opens it, in the browser that asked for it. The page behind the link has a button, and only pressing it
// spends the link: scanners and previews of mail open links too.
func Example_magicLink() {
	keys, returnTo := exampleParts()
	links := map[string]string{} // in a real application a table, with a time and a hash of the ticket
	login, err := callback.New(callback.Config[string]{
		Keys: keys, ReturnTo: returnTo, Retry: "/login", Home: "/",
		TicketParam: "ticket", FlowName: "magic",
		Confirm: &callback.Confirm{Title: "Sign in to Example", Text: "Press the button to sign in on this device.", Button: "Sign in"},
		Redeem: func(_ context.Context, ticket string) (string, error) {
			address, ok := links[ticket]
			if !ok {
				return "", callback.ErrExpired
			}
			delete(links, ticket)
			return address, nil
		},
	})
	if err != nil {
		panic(err)
	}
	var mail string
	mux := http.NewServeMux()
	mux.Handle("/magic", login) // GET shows the page, POST spends the link
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		params, err := login.Start(w, r)
		if err != nil {
			login.Refuse(w, r, err)
			return
		}
		ticket := "t-81f3" // random, 128 bits or more
		links[ticket] = r.PostFormValue("address")
		params.Set("ticket", ticket)
		mail = "https://app.example.com/magic?" + params.Encode()
		fmt.Fprintln(w, "look into your mail") // the same for an address that has no account
	})

	asked := open(mux, "POST", "/login?redirect_url=/inbox", "address=ana@example.com")
	scanned := open(mux, "GET", mail, "")
	opened := open(mux, "GET", mail, "", asked)
	_, form, _ := strings.Cut(mail, "?")
	confirmed := open(mux, "POST", "/magic", form, asked)
	again := open(mux, "GET", mail, "", asked)
	fmt.Println("scanner:", scanned.Code, "opened:", opened.Code, "confirmed:", confirmed.Code, confirmed.Header().Get("Location"), "again:", again.Code)
	// Output: scanner: 403 opened: 200 confirmed: 303 /inbox again: 410
}

// A payment page sends the browser back when the person has paid, or has given up. What the URL says proves nothing: Redeem asks the
// provider. The session of the person stays as it is, since Complete takes the place of starting one.
func Example_paymentReturn() {
	keys, returnTo := exampleParts()
	type payment struct{ Order, Status string }
	notPaid := &callback.Reason{
		Text: "payment is not complete", Status: http.StatusPaymentRequired,
		Title: "Your payment is not complete", Cause: "Nothing was charged. You can try again, or choose another way to pay.",
	}
	payments, err := callback.New(callback.Config[payment]{
		Keys: keys, ReturnTo: returnTo, Retry: "/checkout", FlowName: "payment",
		TicketParam: "session_id",
		Redeem: func(_ context.Context, ticket string) (payment, error) {
			return payment{Order: "7", Status: map[string]string{"cs_1": "paid", "cs_2": "open"}[ticket]}, nil // ask the provider
		},
		Complete: func(_ http.ResponseWriter, _ *http.Request, p payment, _ string) error {
			if p.Status != "paid" {
				return notPaid
			}
			return nil // note the order as paid; the provider's webhook does so too, and either may come first
		},
	})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /paid", payments)
	mux.HandleFunc("POST /pay", func(w http.ResponseWriter, r *http.Request) {
		params, err := payments.Start(w, r)
		if err != nil {
			payments.Refuse(w, r, err)
			return
		}
		back := "https://app.example.com/paid?" + params.Encode() // the provider adds session_id
		http.Redirect(w, r, "https://pay.example/checkout?success_url="+url.QueryEscape(back), http.StatusSeeOther)
	})

	for _, ticket := range []string{"cs_1", "cs_2"} {
		begun := open(mux, "POST", "/pay?redirect_url=/orders/7", "")
		there, err := url.Parse(begun.Header().Get("Location"))
		if err != nil {
			panic(err)
		}
		back := open(mux, "GET", there.Query().Get("success_url")+"&session_id="+ticket, "", begun)
		fmt.Println(back.Code, back.Header().Get("Location"), strings.Contains(back.Body.String(), "not complete"))
	}
	// Output:
	// 303 /orders/7 false
	// 402  true
}
