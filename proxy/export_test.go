package proxy

import "time"

// SetPatience replaces bodyPatience for a test.
func (p *Proxy) SetPatience(d time.Duration) { p.patience = d }
