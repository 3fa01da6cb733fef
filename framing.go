package main

import "net/http"

// maxLines bounds the header fields of a request; browsers send 30.
const maxLines = 256

// lastOfItsConnection has h answer a request as the last one of its connection,
// wherever a proxy in front of us may have seen it end elsewhere than we do:
//
//   - with chunks, since a Content-Length beside them, which net/http drops
//     unseen, may have been believed there (CL.TE);
//   - in HTTP/1.0, where net/http drops Transfer-Encoding unseen, and a proxy
//     keeps no connection anyway.
//
// What then follows would be taken for the next request, of whoever that proxy
// sends next (RFC 9112 sections 6.1 and 9.3).
func lastOfItsConnection(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 && (r.ProtoMinor == 0 || len(r.TransferEncoding) > 0) {
			w.Header().Set("Connection", "close")
		}
		h.ServeHTTP(w, r)
	})
}

// fewLines refuses requests with more header fields than anybody needs: each
// takes many times its bytes for as long as the request lasts.
func fewLines(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lines := 0
		for _, values := range r.Header {
			lines += len(values)
		}
		if lines > maxLines {
			w.Header().Set("Connection", "close")
			http.Error(w, http.StatusText(http.StatusRequestHeaderFieldsTooLarge), http.StatusRequestHeaderFieldsTooLarge)
			return
		}
		h.ServeHTTP(w, r)
	})
}
