package gateway

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"net/http"

	"github.com/labstack/echo/v4"
)

// iconSize is the icon's width and height in pixels: Slack takes 512 to 2000
// (https://docs.slack.dev/reference/methods/apps.icon.set).
const iconSize = 1024

// setupIcon serves the icon of the Slack app, to be uploaded there.
func (g *Gateway) setupIcon(x *exchange, c echo.Context) error {
	picture, err := g.icon()
	if err != nil {
		return err
	}
	h := x.forNobodyElse()
	h.Set("Cache-Control", "public, max-age=86400")
	h.Set("Content-Type", "image/png")
	x.WriteHeader(http.StatusOK)
	x.body(c.Request(), picture)
	return nil
}

// drawIcon draws two speech bubbles, one before the other, the front one with a C,
// on the app's colour, and gives them as PNG. All shapes are told by how far a
// point is outside of them, so that edges come out smooth.
func drawIcon() ([]byte, error) {
	var (
		top, bottom = color.NRGBA{0x2c, 0x62, 0x84, 0xff}, color.NRGBA{0x1d, 0x43, 0x5c, 0xff} // around #24506c
		behind      = color.NRGBA{0x7f, 0xb6, 0xd8, 0xff}
		front       = color.NRGBA{0xff, 0xff, 0xff, 0xff}
		letter      = color.NRGBA{0x24, 0x50, 0x6c, 0xff}
	)
	img := image.NewNRGBA(image.Rect(0, 0, iconSize, iconSize))
	for py := range iconSize {
		for px := range iconSize {
			// The unit square, whatever the size.
			x, y := (float64(px)+.5)/iconSize, (float64(py)+.5)/iconSize
			c := mix(top, bottom, y)
			c = mix(c, behind, cover(bubble(1-x, y, .33, .355, .225)))
			c = mix(c, mix(top, bottom, y), cover(bubble(x, y, .42, .56, .325))) // a gap between the two
			c = mix(c, front, cover(bubble(x, y, .42, .56, .295)))
			c = mix(c, letter, cover(letterC(x, y, .42, .56, .145, .042)))
			img.SetNRGBA(px, py, c)
		}
	}
	var out bytes.Buffer
	err := png.Encode(&out, img)
	return out.Bytes(), err
}

// bubble is a disc with a tail to the lower left.
func bubble(x, y, cx, cy, r float64) float64 {
	disc := math.Hypot(x-cx, y-cy) - r
	tail := triangle(x, y, [3][2]float64{{cx - r, cy + r}, {cx - r*.95, cy + r*.1}, {cx - r*.1, cy + r*.95}})
	return math.Min(disc, tail)
}

// letterC is a ring with round ends that is open to the right.
func letterC(x, y, cx, cy, r, half float64) float64 {
	const open = .72 // of the angle, in radians, to either side
	dx, dy := x-cx, y-cy
	if math.Abs(math.Atan2(dy, dx)) > open {
		return math.Abs(math.Hypot(dx, dy)-r) - half
	}
	ex, ey := r*math.Cos(open), r*math.Sin(open)
	return math.Hypot(dx-ex, math.Abs(dy)-ey) - half
}

// triangle is how far outside a point is, as far as its edges' lines tell: exact
// enough for its smooth edge.
func triangle(x, y float64, p [3][2]float64) float64 {
	out := math.Inf(-1)
	for i := range p {
		a, b := p[i], p[(i+1)%3]
		nx, ny := b[1]-a[1], a[0]-b[0] // outwards, as the corners go round
		out = math.Max(out, ((x-a[0])*nx+(y-a[1])*ny)/math.Hypot(nx, ny))
	}
	return out
}

// cover is how much of a pixel lies within, by the distance of its centre.
func cover(outside float64) float64 { return min(1, max(0, .5-outside*iconSize)) }

// mix is a, covered by b in part.
func mix(a, b color.NRGBA, part float64) color.NRGBA {
	blend := func(a, b uint8) uint8 { return uint8(math.Round(float64(a) + (float64(b)-float64(a))*part)) }
	return color.NRGBA{blend(a.R, b.R), blend(a.G, b.G), blend(a.B, b.B), 0xff}
}
