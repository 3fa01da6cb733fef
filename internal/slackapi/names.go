package slackapi

import "slices"

// known gives an error name of Slack's as a metric may have it: Slack adds names
// at any time, and a stand-in may answer anything.
func known(name string) string {
	switch {
	case name == "ratelimited" || name == "rate_limited":
		return "ratelimited"
	case slices.Contains(errorNames[:], name):
		return name
	}
	return "other"
}

// errorNames are those of the methods that the gateway calls which tell an
// operator something (https://docs.slack.dev/reference/methods, under each
// method's errors, and RFC 6749 section 5.2).
var errorNames = [...]string{
	"access_denied", "accesslimited", "account_inactive", "app_access_restricted", "as_user_not_supported",
	"attachment_payload_limit_exceeded", "bad_client_secret", "bad_redirect_uri", "bad_token", "block_mismatch", "cannot_dm_bot",
	"cannot_install_an_org_installed_app", "cannot_reply_to_message", "cant_update_message", "channel_not_found", "code_already_used",
	"code_expired", "deleted_user", "deprecated_endpoint", "duplicate_channel_not_found", "duplicate_message_not_found",
	"edit_window_closed", "ekm_access_denied", "enterprise_is_restricted", "external_channel_migrating", "fatal_error", "internal_error",
	"invalid_arg_name", "invalid_arguments", "invalid_array_arg", "invalid_attachments", "invalid_auth", "invalid_blocks",
	"invalid_blocks_format", "invalid_charset", "invalid_client", "invalid_client_id", "invalid_code", "invalid_code_verifier",
	"invalid_cursor", "invalid_form_data", "invalid_grant", "invalid_grant_type", "invalid_limit", "invalid_metadata_format",
	"invalid_metadata_schema", "invalid_post_type", "invalid_redirect_uri", "invalid_refresh_token", "invalid_request", "invalid_scope",
	"invalid_team", "invalid_team_for_non_distributed_app", "invalid_thread_ts", "invalid_token", "invalid_user_combination",
	"invalid_users", "is_archived", "is_inactive", "markdown_text_conflict", "message_limit_exceeded", "message_not_found",
	"messages_tab_disabled", "metadata_must_be_sent_from_app", "metadata_too_large", "method_deprecated",
	"method_not_supported_for_channel_type", "missing_post_type", "missing_scope", "msg_blocks_too_long", "msg_too_long", "name_taken",
	"no_permission", "no_scopes", "no_such_subteam", "no_text", "not_allowed_token_type", "not_authed", "not_in_channel",
	"org_login_required", "paid_only", "paid_teams_only", "pkce_not_allowed", "plan_upgrade_required", "redirect_uri_mismatch",
	"request_timeout", "restricted_action", "restricted_action_non_threadable_channel", "restricted_action_read_only_channel",
	"restricted_action_thread_locked", "restricted_action_thread_only_channel", "scope_not_allowed_on_enterprise", "server_error",
	"service_unavailable", "streaming_state_conflict", "team_access_not_granted", "team_added_to_org", "team_not_found",
	"temporarily_unavailable", "thread_not_found", "token_expired", "token_revoked", "too_many_attachments", "two_factor_setup_required",
	"unapproved_scope", "unauthorized_client", "unknown_method", "unsupported_grant_type", "update_failed", "user_disabled",
	"user_email_unverified", "user_is_restricted", "user_is_ultra_restricted", "user_not_found", "user_not_visible",
	"user_removed_from_team", "users_not_found",
}
