package notifyhook

import (
	"fmt"
	"slices"
	"strings"
	"text/template/parse"
)

// hardener walks a parsed template, refuses what could run without end, and
// changes what must not be left to who writes it.
type hardener struct {
	tree    *parse.Tree
	message *messageTemplate
	uses    []string
	err     error
}

func (h *hardener) refuse(n parse.Node, text string) {
	if h.err == nil {
		location, _ := h.tree.ErrorContext(n)
		_, position, _ := strings.Cut(location, ":")
		h.err = fmt.Errorf("line %s: %s", position, text)
	}
}

// list walks nodes; root says that the dot is the data.
func (h *hardener) list(list *parse.ListNode, root bool) {
	if list == nil {
		return
	}
	for _, n := range list.Nodes {
		switch n := n.(type) {
		case *parse.TextNode:
			h.noteMentions(string(n.Text))
		case *parse.ActionNode:
			h.pipe(n.Pipe, root)
			if len(n.Pipe.Decl) == 0 {
				n.Pipe.Cmds = append(n.Pipe.Cmds, h.command("show", n.Pos))
			}
		case *parse.IfNode:
			h.branch(&n.BranchNode, root, root)
		case *parse.WithNode:
			h.branch(&n.BranchNode, root, false)
		case *parse.RangeNode:
			h.branch(&n.BranchNode, root, false)
			pass := &parse.ActionNode{NodeType: parse.NodeAction, Pos: n.Pos, Pipe: &parse.PipeNode{NodeType: parse.NodePipe, Pos: n.Pos}}
			pass.Pipe.Cmds = []*parse.CommandNode{h.command("pass", n.Pos)}
			n.List.Nodes = append([]parse.Node{pass}, n.List.Nodes...)
		case *parse.TemplateNode:
			h.refuse(n, "template is not available")
		}
	}
}

func (h *hardener) command(function string, at parse.Pos) *parse.CommandNode {
	return &parse.CommandNode{NodeType: parse.NodeCommand, Pos: at, Args: []parse.Node{parse.NewIdentifier(function).SetTree(h.tree).SetPos(at)}}
}

func (h *hardener) branch(b *parse.BranchNode, root, inner bool) {
	h.pipe(b.Pipe, root)
	h.list(b.List, inner)
	h.list(b.ElseList, root)
}

func (h *hardener) pipe(p *parse.PipeNode, root bool) {
	for _, command := range p.Cmds {
		for _, arg := range command.Args {
			h.argument(arg, root)
		}
	}
}

func (h *hardener) argument(n parse.Node, root bool) {
	switch n := n.(type) {
	case *parse.IdentifierNode:
		switch n.Ident {
		case "and", "or", "not", "len", "index", "eq", "ne", "lt", "le", "gt", "ge", "date", "number":
		default:
			h.refuse(n, fmt.Sprintf("the function %s is not available", n.Ident))
		}
	case *parse.PipeNode:
		h.pipe(n, root)
	case *parse.ChainNode:
		h.argument(n.Node, root)
	case *parse.FieldNode:
		if root {
			h.uses = append(h.uses, n.Ident[0])
		}
	case *parse.VariableNode:
		if n.Ident[0] == "$" && len(n.Ident) > 1 {
			h.uses = append(h.uses, n.Ident[1])
		}
	}
}

// noteMentions keeps the mentions that stand whole in the template: those are
// the operator's, and no value can make another of them.
func (h *hardener) noteMentions(text string) {
	if !h.message.mrkdwn {
		return
	}
	eachSequence(text, func(inner string, closed bool) string {
		if target, is := mentioned(inner); is && closed && !slices.Contains(h.message.pings, target) {
			h.message.pings = append(h.message.pings, target)
		}
		return ""
	})
}
