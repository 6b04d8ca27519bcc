package console

import (
	"math"
	"time"

	"github.com/rosey-bot/rosey/replay"
)

const (
	chartWidth  = 1000
	chartHeight = 240
	// maxColours is how many series have a colour of their own; the rest share one.
	maxColours = 7
	ticks      = 5
)

// chart is a chart of stacked columns, in the units of an SVG that is stretched
// to its place: it has no text of its own.
type chart struct {
	Columns []column
	Legend  []legend
	Most    int      // the height of the axis
	Ticks   []string // below the axis
	Since   time.Time
	Until   time.Time
}

type column struct {
	X, W  float64
	Boxes []box
	At    time.Time
	Title string
}

type box struct {
	Colour int
	Y, H   float64
}

type legend struct {
	Colour int
	Name   string
	Total  int
}

// newChart draws the series of a summary, the most frequent subject at the bottom.
func newChart(series []replay.Series, since, until time.Time, step time.Duration) chart {
	c := chart{Since: since, Until: until}
	if len(series) == 0 {
		return c
	}
	n := len(series[0].Counts)
	colours, sums := make([][]int, min(len(series), maxColours+1)), make([]int, n)
	for i, s := range series {
		colour := min(i, maxColours)
		if colours[colour] == nil {
			colours[colour] = make([]int, n)
		}
		for j, count := range s.Counts {
			colours[colour][j] += count
			sums[j] += count
		}
		if i <= maxColours {
			c.Legend = append(c.Legend, legend{colour, s.Subject, s.Total})
		} else {
			c.Legend[maxColours].Name = "others"
			c.Legend[maxColours].Total += s.Total
		}
	}
	for _, sum := range sums {
		c.Most = max(c.Most, sum)
	}
	c.Most = round(c.Most)
	width := float64(chartWidth) / float64(n)
	for j := range n {
		if sums[j] == 0 {
			continue
		}
		at := since.Add(time.Duration(j) * step)
		col := column{X: float64(j) * width, W: max(width-min(width*0.2, 2), 0.5), At: at}
		y := float64(chartHeight)
		for colour := range colours {
			if count := colours[colour][j]; count > 0 {
				h := float64(count) / float64(c.Most) * chartHeight
				y -= h
				col.Boxes = append(col.Boxes, box{colour, y, h})
			}
		}
		c.Columns = append(c.Columns, col)
	}
	for i := range ticks {
		at := since.Add(until.Sub(since) * time.Duration(i) / (ticks - 1))
		c.Ticks = append(c.Ticks, at.Local().Format(tickLayout(until.Sub(since))))
	}
	return c
}

func tickLayout(d time.Duration) string {
	switch {
	case d > 3*24*time.Hour:
		return "Jan 2"
	case d > 18*time.Hour:
		return "Jan 2 15:04"
	case d > 10*time.Minute:
		return "15:04"
	}
	return "15:04:05"
}

// round is the next number that is easy to read: 1, 2 or 5 and zeros.
func round(n int) int {
	if n <= 5 {
		return max(n, 1)
	}
	scale := math.Pow(10, math.Floor(math.Log10(float64(n))))
	for _, m := range []float64{1, 2, 2.5, 5, 10} {
		if m*scale >= float64(n) {
			return int(m * scale)
		}
	}
	return n
}
