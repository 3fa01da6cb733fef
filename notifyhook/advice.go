package notifyhook

import (
	"fmt"
	"strings"
)

// advice is what an error means, and what an operator or a workspace's admin
// does about it: two clauses without a full stop.
type advice struct{ what, remedy string }

const replay = "then replay what was given up"

// adviceFor explains an error name of Slack's, or a word of ours, that a method
// of the Web API has come to (https://docs.slack.dev/reference/methods has the
// names).
func adviceFor(name, method string) advice {
	for _, table := range []func(name, method string) advice{tokenAdvice, recipientAdvice, contentAdvice, troubleAdvice} {
		if a := table(name, method); a.what != "" {
			return a
		}
	}
	return advice{"Slack answered with an error that is not known here", "look for its name on https://docs.slack.dev/reference/methods/" + method + " and, once it is mended, replay"}
}

// tokenAdvice is about the Slack app and its bot token, so about a whole route.
func tokenAdvice(name, method string) advice {
	const newToken = "in the Slack app, under OAuth & Permissions, install it to the workspace again, put the new bot token into the configuration and reload; what is held goes out by itself"
	switch name {
	case "invalid_auth":
		return advice{"Slack does not take the bot token, or not from this address", newToken + " (if the app allows certain addresses only, add this gateway's)"}
	case notInstalled:
		return advice{"the Slack app has not been installed to the workspace yet", "have an admin of the workspace set it up, by a link of the command setup; what is held goes out by itself then"}
	case "not_authed":
		return advice{"no bot token was sent", "set slack_app.bot_token of the route"}
	case "account_inactive", "token_revoked", "token_expired":
		return advice{"the bot token is not good any more: the app was uninstalled, or the token revoked or expired", newToken}
	case "not_allowed_token_type":
		return advice{"the token is not a bot's", "use the bot token, which begins with xoxb-"}
	case "missing_scope":
		return advice{"the Slack app lacks a scope for " + methodName(method), fmt.Sprintf("add %s to its bot scopes, under OAuth & Permissions, and install it to the workspace again", scopeFor(method))}
	case "no_permission", "access_denied", "team_access_not_granted", "accesslimited":
		return advice{"the workspace does not let the app do this", "ask an admin of the workspace to approve the app, and to invite it where it is to post"}
	case "org_login_required", "team_added_to_org":
		return advice{"the workspace is being moved into an organisation", "wait until Slack has finished; nothing else is to be done"}
	case "two_factor_setup_required":
		return advice{"the workspace demands two-factor authentication of whom the app acts for", "have them set it up"}
	case "enterprise_is_restricted":
		return advice{"the organisation does not allow this call to the app", "ask its admins to approve the app"}
	case "deprecated_endpoint", "method_deprecated", "unknown_method":
		return advice{"Slack does not offer " + methodName(method) + " any more, or not at the configured api_url", "check slack.api_url, and whether this gateway has a newer version"}
	case "message_limit_exceeded":
		return advice{"the workspace's plan allows no more messages for now", "wait, or change the plan; it is tried every hour"}
	}
	return advice{}
}

// scopeFor is the bot scope that a method needs.
func scopeFor(method string) string {
	switch method {
	case postMessage, "chat.update":
		return "chat:write (and chat:write.public for public channels it is not in)"
	case lookupByEmail:
		return "users:read and users:read.email"
	case openConversation:
		return "im:write"
	case listConversations:
		return "channels:read (and groups:read for private channels)"
	case "conversations.join":
		return "channels:join"
	case "conversations.history", "conversations.replies":
		return "channels:history, groups:history and im:history"
	}
	return "the scope that https://docs.slack.dev/reference/methods/" + method + " names"
}

// recipientAdvice is about a person or a channel.
func recipientAdvice(name, _ string) advice {
	const invite = "in Slack, write /invite @bot there, with the bot's name, " + replay
	switch name {
	case "users_not_found":
		return advice{"nobody in the workspace has this e-mail address, or their account is deactivated", "compare the address in the app with the one in Slack, or invite the person, " + replay}
	case "user_not_found", "user_not_visible":
		return advice{"the workspace has no such user, or the app may not see them", "check the user id, " + replay}
	case "user_disabled":
		return advice{"the person's Slack account is deactivated", "take the person off the app's recipients, or activate the account and replay"}
	case "invalid_user_combination":
		return advice{"the bot cannot have a conversation with this user, such as another bot or somebody of another workspace", "name another recipient"}
	case "messages_tab_disabled":
		return advice{"the Slack app takes no direct messages", "in the Slack app, under App Home, switch the Messages tab on, " + replay}
	case "channel_not_found":
		return advice{"there is no such channel, or it is private and the bot is not in it", "check its name or id; for a private one, " + invite}
	case "not_in_channel":
		return advice{"the bot is not in this channel", invite}
	case "is_archived":
		return advice{"the channel is archived", "unarchive it and replay, or name another"}
	case "ekm_access_denied":
		return advice{"the organisation's key management has suspended messages", "ask its admins"}
	case "app_access_restricted":
		return advice{"the app may not be used in this conversation", "ask an admin of the workspace or of the channel to allow it"}
	case "method_not_supported_for_channel_type":
		return advice{"this kind of conversation takes no such message", "name another recipient"}
	case "team_not_found", "no_such_subteam":
		return advice{"Slack does not know the workspace or the usergroup", "check the recipient's id"}
	case "unknown_recipient_form":
		return advice{"the recipient is neither an e-mail address nor a Slack id nor a #channel", "mend the app's call"}
	case "cannot_reply_to_message", "thread_not_found", "invalid_thread_ts":
		return advice{"the message to reply to takes no replies", "nothing is to be done: the next message begins a new thread"}
	}
	if strings.HasPrefix(name, "restricted_action") {
		return advice{"the channel's or the workspace's settings keep the bot from posting so", "ask an admin to let the bot post there, " + replay}
	}
	if strings.HasPrefix(name, "slack_connect_") {
		return advice{"the settings of a channel shared with other organisations forbid this message", "ask an admin, or name another recipient"}
	}
	return advice{}
}

// contentAdvice is about a message that Slack refuses, or cannot change.
func contentAdvice(name, _ string) advice {
	const mend = "mend what the app sends, or its template: "
	switch name {
	case "no_text":
		return advice{"the message was empty", mend + "a text is needed"}
	case "msg_too_long", "msg_blocks_too_long":
		return advice{"the message was too long", mend + "shorten it and link to the rest"}
	case "too_many_attachments", "attachment_payload_limit_exceeded", "invalid_attachments":
		return advice{"Slack does not take the message's attachments", mend + "fewer and smaller ones, or blocks"}
	case "metadata_too_large", "metadata_must_be_sent_from_app", "invalid_metadata_format", "invalid_metadata_schema":
		return advice{"Slack does not take the message's metadata", "this is the gateway's own: please report it"}
	case "markdown_text_conflict":
		return advice{"text was given in two ways", mend + "one of them is enough"}
	case "invalid_arguments", "invalid_arg_name", "invalid_array_arg", "invalid_charset", "invalid_form_data", "invalid_post_type", "missing_post_type":
		return advice{"Slack could not make sense of the call", "this is the gateway's own: please report it"}
	case "message_not_found":
		return advice{"the message to change is not there any more", "nothing is to be done: the next one is posted anew"}
	case "cant_update_message", "edit_window_closed", "is_inactive", "block_mismatch", "streaming_state_conflict":
		return advice{"the message cannot be changed any more", "nothing is to be done: the next one is posted anew"}
	case "unreadable":
		return advice{"what the store holds of it cannot be read", "have the app send it again"}
	}
	if strings.HasPrefix(name, "invalid_blocks") {
		return advice{"Slack does not take the message's blocks", mend + "try them in Slack's Block Kit Builder, or send a dry run"}
	}
	return advice{}
}

// troubleAdvice is about the way to Slack, and about what nobody knows.
func troubleAdvice(name, _ string) advice {
	const network = "see from the gateway's machine whether https://slack.com/api/api.test answers; it is tried again until it expires"
	switch name {
	case outcomeUnknown:
		return advice{"twice an attempt ended without an answer, so Slack may have it once, twice or not at all, and a third try might repeat it", "look in Slack whether it is there, and replay it if not"}
	case interrupted.String():
		return advice{"the gateway was stopped in the middle of sending it", "see in the log why it was stopped"}
	case "ratelimited", "rate_limited":
		return advice{"Slack limits how often the app may call it", "nothing is to be done: it goes out once Slack allows"}
	case "timeout", "connection", "answer_cut_short", "answer_not_json", "http_5xx", "dns", "no_timestamp":
		return advice{"Slack could not be reached, or did not answer as it should", network}
	case "tls":
		return advice{"what answers in Slack's place has no certificate that this machine trusts", "see whether a proxy stands between; if it may, add its authority to this machine's"}
	case "http_4xx", "http_redirect":
		return advice{"what answered is not Slack's Web API", "check slack.api_url, and whether a proxy stands between"}
	case "request_timeout", "service_unavailable", "internal_error", "fatal_error", "external_channel_migrating", "update_failed":
		return advice{"Slack had a fault of its own", "see https://status.slack.com; it is tried again until it expires"}
	case "channel_list_long":
		return advice{"the workspace has so many channels that finding one by its name takes several goes", "have the app name the channel's id (C…) instead"}
	case "unrecognised_error":
		return advice{"what answered gave an error that Slack would not write", "check slack.api_url, and whether a proxy stands between"}
	case expired.String():
		return advice{"its time was over before it could be sent", "replay it if it is still worth reading"}
	}
	return advice{}
}
