// What both stand-ins have in common with the test that starts them.

/** The settings: one JSON argument. */
export const settings = JSON.parse(process.argv[2]);

/** Tells the test where the server is, and ends with it: the test holds stdin open. */
export function listening(url) {
  process.stdin.on('close', () => process.exit()).resume();
  console.log(url);
}
