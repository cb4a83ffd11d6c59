// Package console is a web page over the inbox: what was received, what became of it, and what an operator may decide about it.
//
//	pages, err := console.New(box, console.Config{Access: func(r *http.Request) (string, error) {
//		return currentOperator(r) // the application's own sign-in
//	}})
//	if err != nil {
//		return err
//	}
//	mux.Handle("/console/", pages)
//	server.RegisterOnShutdown(pages.Close)
//
// The pages are rendered here and work without JavaScript; where there is some, they follow what happens. Nothing is loaded from
// elsewhere, and the Content-Security-Policy allows no inline script or style. GET changes nothing. Replay, discard, pause and resume are
// POSTs of the same origin, and each is recorded with the user's name and the reason that the form asks for.
//
// # Where it is mounted
//
// Every link is relative, so the console works under any prefix, also behind a proxy that takes a part of the path away. It finds
// its own pages below the pattern under which an [http.ServeMux] has it, below what [http.StripPrefix] leaves, or below [Config].Prefix
// where a router does neither.
//
// # What it shows
//
// Payloads are other people's data. [Config].HideFields takes members out of what is shown; header fields that look like credentials are
// always hidden. Text that an outsider wrote is shown as text, with control and direction characters spelt out.
package console
