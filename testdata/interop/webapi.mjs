// Slack's own client of the Web API, as an app with a bot token uses it. The settings are
// its base URL, its token and whom it writes to; what it heard is printed as JSON.
import { WebClient } from '@slack/web-api';
import { settings } from './listening.mjs';

const client = new WebClient(settings.token, { slackApiUrl: settings.url, retryConfig: { retries: 0 } });
const refusal = (call) => call.then(() => '', (err) => err.data?.error ?? String(err));

const self = await client.auth.test();
const { user } = await client.users.lookupByEmail({ email: settings.email });
const { channel } = await client.conversations.open({ users: user.id });
const direct = await client.chat.postMessage({ channel: channel.id, text: 'direct <!here>', blocks: settings.blocks });
const parent = await client.chat.postMessage({ channel: settings.channel, text: 'parent', attachments: settings.attachments });
const reply = await client.chat.postMessage({ channel: parent.channel, text: 'reply', thread_ts: parent.ts, unfurl_links: false });

console.log(JSON.stringify({
  bot: self.bot_id, user: user.id, name: user.profile.real_name, direct, parent, reply,
  nobody: await refusal(client.users.lookupByEmail({ email: 'nobody@interop.example' })),
  nothing: await refusal(client.chat.postMessage({ channel: settings.channel, text: '' })),
  nowhere: await refusal(client.chat.postMessage({ channel: 'a b', text: 'x' })),
  stranger: await refusal(new WebClient('xoxb-wrong', { slackApiUrl: settings.url }).auth.test()),
}));
