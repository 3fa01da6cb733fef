// node php56.mjs < sources.json
// Says of each source of a JSON list what in it is no PHP 5.6, empty: nothing. The parser refuses newer tokens when told the version; newer
// constructs of old tokens it takes into its tree, where they are looked for.
import { readFileSync } from 'node:fs'
import parser from 'php-parser'

const newer = {
  'a return type': n => ['function', 'method', 'closure'].includes(n.kind) && n.type,
  'a scalar type': n => n.kind === 'parameter' && (n.nullable || (n.type && n.type.kind !== 'name' && !['array', 'callable'].includes(n.type.name))),
  'a list in brackets': n => n.kind === 'list' && n.shortForm,
  'a list with keys': n => n.kind === 'list' && n.items.some(i => i && i.key),
  'a class without a name': n => n.kind === 'class' && n.isAnonymous,
  'a group of uses': n => n.kind === 'usegroup' && n.name,
  'several exceptions': n => n.kind === 'catch' && n.what.length > 1,
  'a visible constant': n => n.kind === 'classconstant' && n.visibility,
  'a number with _': n => n.kind === 'number' && `${n.value}`.includes('_'),
  'a result that is called': n => n.kind === 'call' && n.what.kind === 'call',
}

function look (node) {
  if (node === null || typeof node !== 'object') return
  for (const [name, is] of Object.entries(newer)) {
    if (node.kind && is(node)) throw new Error(`${name}: newer than PHP 5.6, line ${node.loc?.start.line}`)
  }
  Object.values(node).forEach(look)
}

const engine = new parser.Engine({ parser: { version: 506 }, ast: { withPositions: true } })
console.log(JSON.stringify(JSON.parse(readFileSync(0, 'utf8')).map(source => {
  try {
    look(engine.parseCode(source))
    return ''
  } catch (e) {
    return e.message
  }
})))
