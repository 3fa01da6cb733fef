package doctor

import (
	"context"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"github.com/cocoom/cocoom-gateway/configs"
)

// namesGroups reports whether the route's policy names usergroups.
func namesGroups(rt *configs.Route) bool { return len(groupNames(rt)) > 0 }

// groupNames are the usergroups that the policy names, each once.
func groupNames(rt *configs.Route) []string {
	var names []string
	for _, rule := range rt.Policy {
		for _, name := range rule.Allow.Usergroups {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// groupList is a workspace's usergroups.
type groupList struct {
	handles map[string]bool // of those that are on
	ids     map[string]bool
	off     map[string]bool // handles and ids of those that are switched off
	err     error
}

func (b *bot) usergroups(ctx context.Context, d *Doctor) *groupList {
	b.groupsOnce.Do(func() {
		l := &b.groups
		if b.err != nil {
			l.err = b.err
			return
		}
		l.err = d.call(ctx, func(ctx context.Context) error {
			list, err := b.api.GetUserGroupsContext(ctx, slack.GetUserGroupsOptionIncludeDisabled(true))
			l.handles, l.ids, l.off = map[string]bool{}, map[string]bool{}, map[string]bool{}
			for _, g := range list {
				if g.DateDelete > 0 {
					l.off[g.Handle], l.off[g.ID] = true, true
					continue
				}
				l.handles[g.Handle], l.ids[g.ID] = true, true
			}
			return err
		})
	})
	return &b.groups
}

// policyGroups looks for usergroups that the policy names and the workspace
// does not have.
func (d *Doctor) policyGroups(ctx context.Context, rt *configs.Route, b *bot, n *notes) {
	names := groupNames(rt)
	if len(names) == 0 || rt.Login == nil {
		return
	}
	l := b.usergroups(ctx, d)
	if l.err != nil {
		switch word, refused := slackError(l.err); {
		case word == "plan_upgrade_required":
			n.wrong("usergroups", "name people by users: or emails: in the policy instead, or take a paid Slack plan", "the workspace's plan has no usergroups: rules that name them deny")
		case word == "missing_scope":
			n.unknown("usergroups", "cannot be listed without the scope usergroups:read")
		case refused:
			n.wrong("usergroups", "look the error up in Slack's documentation of usergroups.list", "Slack does not list them: %s", word)
		default:
			n.unknown("usergroups", "Slack cannot be asked: %s", word)
		}
		return
	}
	var gone []string
	for _, name := range names {
		switch {
		case l.handles[name] || l.ids[name]:
		case l.off[name]:
			gone = append(gone, name+" (switched off)")
		default:
			gone = append(gone, name)
		}
	}
	if len(gone) > 0 {
		n.wrong("usergroups", "create them in Slack, or mend the names in the policy: handles without @, or ids (S…)", "the policy names what the workspace does not have: %s", strings.Join(gone, ", "))
		return
	}
	n.ok("usergroups", "the workspace has what the policy names: %s", strings.Join(names, ", "))
}
