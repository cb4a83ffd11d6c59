package nats

// Purge removes what is past its time at a moment that a test chooses.
var Purge = (*Inbox).purge
