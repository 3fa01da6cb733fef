// Package policy decides who may make which request to a route. It is pure:
// no I/O, no clock, no HTTP; the same inputs always give the same Decision.
//
// A route's policy is an ordered list of rules. The first rule that matches a
// request decides, and a request that no rule matches is denied.
//
// # One path, and what servers make of it
//
// NormalizePath gives every path one spelling, which is both matched and
// forwarded, so that gateway and app cannot see two different paths. Some
// things survive normalisation because apps use them, although servers read
// them differently: an empty segment ("//", merged by Apache and nginx), a
// path parameter (";x", cut off by servlet containers), "%2F" on routes that
// allow it, an encoded "?" or "#" (at which some end the path), dots and spaces
// at the end of a name (which Windows drops), and what becomes another path
// when it is decoded once more, or by a decoder that takes overlong UTF-8 or
// full-width characters (see decodeAgain).
// The same holds of a query that names a parameter twice or
// contains ";", of a script called with more path behind it
// ("/admin.php/x" runs admin.php), of a trailing slash, and of a method in
// lower case.
//
// Decide does not guess which reading the app uses. A rule that matches in
// every reading ends the search as usual. One that matches in some readings
// only is remembered, the search goes on, and the strictest verdict found is
// the answer: deny over login over allow. A request can so lose by being
// spelled strangely, but never win.
package policy
