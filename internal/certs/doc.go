// Package certs ends TLS on the public listener: it finds the certificate of
// each handshake, and is what stands around the public handler because of TLS.
//
//	handshake ──► name in the operator's own certificate? ──► that one (file.go)
//	          ──► host of no route? ──► alert unrecognized_name
//	          ──► known to this process ──► in the store ──► the authority (acme.go)
//
// Certificates come from files, which are read anew when they change, and from
// an authority by ACME (RFC 8555): for exactly the routes' hosts that the files
// are not for, and not before somebody asks for such a host. What ACME brings
// lies sealed in the store (storage.go), so that replicas share it, and locks
// there (lock.go) keep them from asking twice. The authority finds the answers to
// its challenges on the public listener (TLS-ALPN-01, RFC 8737) and on the one
// that redirects (HTTP-01), on whichever replica it comes to.
package certs
