package configs

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
)

// normalHost gives a host as requests are compared with it: lower case, no
// trailing dot, an IPv6 address in brackets.
func normalHost(host string) string {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if addr, ok := hostAddr(host); ok && addr.Is6() {
		return "[" + addr.String() + "]"
	}
	return host
}

// hostAddr gives the address that a host is, with or without brackets.
func hostAddr(host string) (netip.Addr, bool) {
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	}
	addr, err := netip.ParseAddr(host)
	return addr, err == nil
}

// hostMistake says why a normalised host is no name or address that a browser
// could ask for; "" if it is one.
func hostMistake(host string) string {
	const example = "such as agrafmania.cocoom.com"
	if addr, ok := hostAddr(host); ok {
		if addr.Zone() != "" || addr.IsUnspecified() {
			return "is no address that a browser could ask for: write a host name, " + example
		}
		return ""
	}
	switch name, _, err := net.SplitHostPort(host); {
	case host == "":
		return "is missing: write the host name that browsers ask for, " + example
	case strings.Contains(host, "/"):
		return "must be the host name alone, without scheme and path, " + example
	case err == nil:
		return fmt.Sprintf("must be without a port: write %q", name)
	case strings.Contains(host, "*"):
		return "must be one host: wildcards are not supported, write a route for each host"
	case len(host) > 253:
		return "is longer than 253 characters, which no host name is"
	}
	for _, c := range host {
		if c >= 0x80 {
			return punycodeMistake(host)
		}
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if !isLabel(label) {
			return "is no host name: the parts between its dots are 1 to 63 letters, digits and inner hyphens, " + example
		}
	}
	// A browser takes a name whose last part is a number for an IPv4 address.
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		return "ends in a number but is no IP address: write a host name, " + example
	}
	return ""
}

func punycodeMistake(host string) string {
	ascii, err := idna.Lookup.ToASCII(host)
	if err != nil {
		return "is no host name, nor can it be made one"
	}
	return fmt.Sprintf("has letters outside ASCII: write it as browsers send it, %q", ascii)
}

func isLabel(label string) bool {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for _, c := range label {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// isLocal tells whether a normalised host is this machine to every browser:
// only there is plain HTTP a secure context.
func isLocal(host string) bool {
	addr, ok := hostAddr(host)
	return ok && addr.IsLoopback() || host == "localhost" || strings.HasSuffix(host, ".localhost")
}
