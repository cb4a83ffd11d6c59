// Package callbacktest helps to test applications that use package callback: an OpenID provider in the test's own process, with a
// switch for each way to misbehave ([Provider], [Faults]), and the suites that every session store ([TestSessionStore]) and every mark
// store ([TestMarkStore]) must pass.
package callbacktest
