package telemetry_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/rosey-bot/rosey/telemetry"
)

// A dashboard or an alert that names a metric or a label which does not exist
// shows nothing and never fires, and nobody notices. So every name in deploy/
// must be on a page that the real exporter wrote.
func TestDeployedQueriesNameWhatExists(t *testing.T) {
	t.Parallel()
	m := setup(t, telemetry.Config{Service: "rosey", Version: "1"}).Metrics
	exercise(t, context.Background(), m)
	exist := series(scrape(t, m))
	exist["up"] = []string{}
	used := map[string]bool{}
	queries := append(alerts(t), panels(t)...)
	if len(queries) < 40 {
		t.Fatalf("only %d queries were found in deploy/", len(queries))
	}
	for _, q := range queries {
		metrics, labels := names(q)
		if len(metrics) == 0 {
			t.Errorf("no metric was found in %s", q)
		}
		known := []string{"job", "instance"}
		for _, name := range metrics {
			used[name] = true
			if exist[name] == nil {
				t.Errorf("there is no metric %s, which is in %s", name, q)
			}
			known = append(known, exist[name]...)
		}
		for _, l := range labels {
			if !slices.Contains(known, l) {
				t.Errorf("the metrics %v have no label %s, which is in %s", metrics, l, q)
			}
		}
	}
	for name := range exist {
		base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
		ours := strings.HasPrefix(name, "rosey_") || strings.HasPrefix(name, "messaging_")
		if ours && !used[name] && !used[base+"_bucket"] && !used[base+"_count"] {
			t.Errorf("neither the dashboard nor an alert shows %s", name)
		}
	}
}

// The test above is worth as much as its reading of queries.
func TestNamesOfAQuery(t *testing.T) {
	t.Parallel()
	for query, want := range map[string][2][]string{
		`up{job="rosey"} == 0`:                   {{"up"}, {"job"}},
		`absent(up)`:                             {{"up"}, nil},
		`rate(a_total{x=~"b(c)|d}",y!=""}[10m])`: {{"a_total"}, {"x", "y"}},
		`histogram_quantile(0.95, sum by (le, job) (rate(a_bucket[$__rate_interval]))) > 2.5e1`: {{"a_bucket"}, {"le", "job"}},
		`sum(a) by (x) > 0.2 * sum without (y) (b offset 5m)`:                                   {{"a", "b"}, {"x", "y"}},
		`a / on (x) group_left (y) b or vector(0) unless c`:                                     {{"a", "b", "c"}, {"x", "y"}},
		`max_over_time(a:b[1d:5m]) and time() - b`:                                              {{"a:b", "b"}, nil},
	} {
		metrics, labels := names(query)
		if !slices.Equal(metrics, want[0]) || !slices.Equal(labels, want[1]) {
			t.Errorf("%s was read as metrics %v and labels %v, want %v", query, metrics, labels, want)
		}
	}
}

var (
	quoted    = regexp.MustCompile(`"[^"]*"|'[^']*'`)
	ranges    = regexp.MustCompile(`\[[^]]*\]|\boffset\s+\S+`)
	matchers  = regexp.MustCompile(`\{([^}]*)\}`)
	grouping  = regexp.MustCompile(`\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)`)
	functions = regexp.MustCompile(`[a-z_]+\s*\(`)
	word      = regexp.MustCompile(`[a-zA-Z_:][a-zA-Z0-9_:]*`)
	numbers   = regexp.MustCompile(`\b[0-9][0-9a-z.]*`)
)

// names are the metrics and labels that a PromQL query names.
func names(query string) (metrics, labels []string) {
	q := ranges.ReplaceAllString(quoted.ReplaceAllString(query, ""), "")
	for _, re := range []*regexp.Regexp{matchers, grouping} {
		for _, m := range re.FindAllStringSubmatch(q, -1) {
			labels = append(labels, word.FindAllString(m[1], -1)...)
		}
		q = re.ReplaceAllString(q, " ")
	}
	q = numbers.ReplaceAllString(functions.ReplaceAllString(q, "("), "")
	for _, w := range word.FindAllString(q, -1) {
		switch w {
		case "and", "or", "unless", "bool", "sum", "min", "max", "avg", "count":
		default:
			metrics = append(metrics, w)
		}
	}
	return metrics, labels
}

// series are the metrics of a page with all the labels that each has.
func series(page string) map[string][]string {
	found := map[string][]string{}
	label := regexp.MustCompile(`([a-zA-Z_]\w*)="`)
	for line := range strings.Lines(page) {
		if line[0] == '#' {
			continue
		}
		name := line[:strings.IndexAny(line, "{ ")]
		if found[name] == nil {
			found[name] = []string{}
		}
		for _, l := range label.FindAllStringSubmatch(line, -1) {
			found[name] = append(found[name], l[1])
		}
	}
	return found
}

func deployed(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func alerts(t *testing.T) (queries []string) {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr         string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.UnmarshalWithOptions(deployed(t, "prometheus-rules.yaml"), &file); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if seen[r.Alert] || r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("alert %q is there twice, or has no severity, summary or description", r.Alert)
			}
			seen[r.Alert] = true
			queries = append(queries, r.Expr)
			// What an annotation shows must be a label of the alert's series.
			for _, l := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(r.Annotations["summary"]+r.Annotations["description"], -1) {
				if strings.Contains(r.Expr, "by (") && !regexp.MustCompile(`by \([^)]*\b`+l[1]+`\b`).MatchString(r.Expr) {
					t.Errorf("alert %s shows the label %s, which its expression sums away", r.Alert, l[1])
				}
			}
		}
	}
	return queries
}

func panels(t *testing.T) (queries []string) {
	t.Helper()
	var board struct {
		UID, Title string
		Panels     []struct {
			ID      int
			Type    string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(deployed(t, "grafana-dashboard.json"), &board); err != nil {
		t.Fatal(err)
	}
	if board.UID == "" || board.Title == "" {
		t.Error("the dashboard has no uid or no title")
	}
	seen := map[int]bool{}
	for _, p := range board.Panels {
		if seen[p.ID] || p.GridPos.X+p.GridPos.W > 24 || p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %d is there twice, hangs over the edge or shows nothing", p.ID)
		}
		seen[p.ID] = true
		for _, target := range p.Targets {
			queries = append(queries, target.Expr)
		}
	}
	return queries
}
