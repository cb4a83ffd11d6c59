// Package engine is for those who write an engine of the inbox, as inbox/sqlite, engines/postgres and engines/nats are: it has what engines
// share. It is exported because the last two are modules of their own. A program that receives events opens one of them and never imports
// this package.
//
// Until version 1.0 it may change in any release, with what the engines of this repository need: an engine kept elsewhere pins the version
// that it was written for. The promise to programs is package inbox, and the promise to engines is the suite in inbox/inboxtest.
//
// What is in it, in the order in which an event meets it: an [Arrival] is the event as it is stored, and waits in a [Queue] until a writer
// takes it; [Lanes] and a [Dispatcher] say which types have their turn; [Routes] know the handlers; a [Work] makes an attempt and says what
// became of it, as a [Failure] or as [Success]; a [Tally] counts; [Retain] takes away what is past its time. For operators, a [Decision]
// is a replay or a discard, and [Page], [Stats] and [Export] answer what they ask.
package engine
