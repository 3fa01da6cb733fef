package admin_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/admin"
)

// addPeople puts two who have signed in on a.localhost into the store: Marie,
// and Paul, whose address has changed. Of him the usergroups are unknown.
func (l *listener) addPeople() {
	l.t.Helper()
	const row = `INSERT INTO person (route, team, user_id, email, first_email, name, admin, user_groups, checked_at, changed_at) VALUES ('a.localhost', 'T1', $1, $2, $3, $4, $5, $6, 1, 1)`
	l.exec(row, "U0MARIE", "marie@example.com", "marie@example.com", "Marie Dupont", 1, `{"S01":"admins"}`)
	l.exec(row, "U0PAUL", "boss@example.com", "paul@example.com", "Paul Martin", 0, nil)
}

func TestPerson(t *testing.T) {
	l := newListener(t)
	l.addPeople()
	marie := admin.Person{User: "U0MARIE", Email: "marie@example.com", Name: "Marie Dupont", Groups: []string{"admins"}, GroupIDs: []string{"S01"}, Admin: true}
	paul := admin.Person{User: "U0PAUL", Email: "boss@example.com", Name: "Paul Martin", Refused: "email_changed"}
	for query, want := range map[string]*admin.Person{
		"host=a.localhost&person=U0MARIE":                &marie,
		"host=A.localhost:8080&person=MARIE@example.com": &marie,
		"host=a.localhost&person=boss@example.com":       &paul,
		"host=a.localhost&person=paul@example.com":       nil, // which is not his any more
		"host=b.localhost&person=U0MARIE":                nil,
		"host=none.localhost&person=U0MARIE":             nil,
		"person=U0MARIE":                                 nil,
		"host=a.localhost":                               nil,
	} {
		status, body := l.ask("GET", "/people?"+query, "")
		if want == nil {
			if status != 404 || body != "{\n  \"error\": \"nobody of that name has signed in there\"\n}\n" {
				t.Errorf("%s answered %d %s", query, status, body)
			}
			continue
		}
		var got admin.Person
		if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 || !reflect.DeepEqual(got, *want) {
			t.Errorf("%s answered %d %s (%v)", query, status, body, err)
		}
	}
}

func TestAcceptEmail(t *testing.T) {
	l := newListener(t)
	l.addPeople()
	for body, want := range map[string]int{
		`{"by":"lea","host":"a.localhost","person":"U0NOBODY"}`: 404,
		`{"by":"lea","host":"b.localhost","person":"U0PAUL"}`:   404,
		`{"by":"lea","host":"c.localhost","person":"U0PAUL"}`:   404,
		`{"by":"lea"}`: 404,
	} {
		if status, said := l.ask("POST", "/people/accept-email", body); status != want {
			t.Errorf("%s: answered %d %s, want %d", body, status, said, want)
		}
	}
	if status, said := l.ask("POST", "/people/accept-email", `{"by":"lea","host":"a.localhost","person":"U0PAUL"}`); status != 200 || said != "{}\n" {
		t.Fatalf("answered %d %s", status, said)
	}
	var paul admin.Person
	if _, body := l.ask("GET", "/people?host=a.localhost&person=U0PAUL", ""); json.Unmarshal([]byte(body), &paul) != nil || paul.Refused != "" {
		t.Errorf("afterwards he is %s", body)
	}
	if got := l.audit(); !slices.Equal(got, []string{"lea people.email_accepted a.localhost T1/U0PAUL"}) {
		t.Errorf("the audit says %q", got)
	}
}
