/** Rules about who imports whom: rooms, cycles, seams and packages. */
import type { Node } from 'typescript/unstable/ast'
import {
  isCallExpression,
  isExportSpecifier,
  isIdentifier,
  isImportSpecifier,
  isNewExpression,
  isPropertyAccessExpression,
} from 'typescript/unstable/ast'
import type { Import, Source } from '../sources.ts'
import { at, roomOf, textOf, visit } from '../sources.ts'
import type { Rule } from './rule.ts'
import { eachSource } from './rule.ts'

/** What each room may import besides itself: a room, or a single file of one. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  codec: ['base'],
  files: ['base'],
  store: ['base', 'codec', 'files'],
  messaging: ['base', 'codec', 'store/message-store.ts'],
  surfaces: ['base', 'messaging', 'store/message-store.ts'],
  testing: ['base', 'files'],
  index: ['base', 'messaging', 'store/message-store.ts'],
}

/** Who may import a package: one file, or a folder of files. Packages that are not listed are not for src/. */
const PACKAGES: Readonly<Record<string, { readonly within: string; readonly files: number }>> = {
  'crc-32': { within: 'src/codec/crc.ts', files: 1 },
  'mmap-io': { within: 'src/files/mmap.ts', files: 1 },
  'fs-native-extensions': { within: 'src/files/store-lock.ts', files: 1 },
  siphash24: { within: 'src/codec/sip-hash.ts', files: 1 },
  'fs-extra': { within: 'src/files/', files: Number.POSITIVE_INFINITY },
  commander: { within: 'src/surfaces/', files: Number.POSITIVE_INFINITY },
  'cli-progress': { within: 'src/surfaces/', files: Number.POSITIVE_INFINITY },
  'cli-table3': { within: 'src/surfaces/', files: Number.POSITIVE_INFINITY },
}

/** Files whose exports a user of the package can reach; they may pass on what other files export. */
const ENTRY_POINTS: ReadonlySet<string> = new Set([
  'src/index.ts',
  'src/store/message-store.ts',
  'src/testing/testing.ts',
])

const CLOCK = 'src/base/clock.ts'
const TIMER_MODULES: ReadonlySet<string> = new Set(['timers', 'timers/promises', 'perf_hooks'])
const TIMERS: ReadonlySet<string> = new Set(['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval'])
const TIME_READS: ReadonlySet<string> = new Set([
  'Date.now',
  'performance.now',
  'performance.timeOrigin',
  'process.hrtime',
  'process.uptime',
  'AbortSignal.timeout',
])

const rooms: Rule = {
  says: 'each room imports only the rooms below it that the house allows, types included',
  check: eachSource((source, report) => {
    const room = roomOf(source.path)
    if (room === undefined) {
      if (source.path.startsWith('src/')) report(`${source.path}:1: src/ has rooms and index.ts, nothing beside them`)
      return
    }
    const allowed = MAY_IMPORT[room]
    if (allowed === undefined) return report(`${source.path}:1: there is no room '${room}' in the house`)
    for (const { target, node, specifier } of source.imports) {
      if (target === undefined || isAllowed(room, allowed, target)) continue
      report(at(source, node, `${room} may not import ${specifier}`))
    }
  }),
  refuses: [
    { 'src/base/a.ts': "import { x } from '../codec/x.ts'\nx()" },
    { 'src/codec/a.ts': "import type { X } from '../files/x.ts'\nexport type Y = X" },
    { 'src/messaging/a.ts': "export type Y = import('../store/commit-log.ts').CommitLog" },
    { 'src/surfaces/cli/a.ts': "const x = await import('../../store/commit-log.ts')\nx.y()" },
    { 'src/store/a.ts': "export { x } from '../messaging/x.ts'" },
    { 'src/store/a.ts': "import { x } from '../../test/support/x.ts'\nx()" },
    { 'src/store/a.ts': "import { x } from '../index.ts'\nx()" },
    { 'src/tools/a.ts': 'export const x = 1' },
    { 'src/tools.ts': 'export const x = 1' },
  ],
  accepts: [
    { 'src/messaging/a.ts': "import { MessageStore } from '../store/message-store.ts'\nMessageStore.open('x')" },
    { 'src/surfaces/cli/a.ts': "import { x } from '../../messaging/x.ts'\nx()" },
  ],
}

function isAllowed(room: string, allowed: readonly string[], target: string): boolean {
  const targetRoom = roomOf(target)
  if (targetRoom === room && room !== 'index') return true
  return allowed.some(entry => (entry.includes('/') ? target === `src/${entry}` : targetRoom === entry))
}

const cycles: Rule = {
  says: 'no file imports itself by way of others, types included',
  check: sources => {
    const byPath = new Map(sources.map(source => [source.path, source]))
    const done = new Set<string>()
    const findings: string[] = []
    const walk = (source: Source, trail: readonly string[]): void => {
      const seen = trail.indexOf(source.path)
      if (seen >= 0) {
        findings.push(`${source.path}:1: a cycle of imports: ${[...trail.slice(seen), source.path].join(' -> ')}`)
        return
      }
      if (done.has(source.path)) return
      for (const { target } of source.imports) {
        const next = target === undefined ? undefined : byPath.get(target)
        if (next !== undefined) walk(next, [...trail, source.path])
      }
      done.add(source.path)
    }
    for (const source of sources) walk(source, [])
    return findings
  },
  refuses: [
    { 'src/base/a.ts': "import { b } from './b.ts'\nb()", 'src/base/b.ts': "import { a } from './a.ts'\na()" },
    {
      'src/base/a.ts': "import type { B } from './b.ts'\nexport type A = B",
      'src/base/b.ts': "import type { C } from './c.ts'\nexport type B = C",
      'src/base/c.ts': "export type C = import('./a.ts').A",
    },
    { 'src/base/a.ts': "export { a as b } from './a.ts'\nexport const a = 1" },
  ],
}

const packages: Rule = {
  says: 'each package is imported where the house says and nowhere else',
  check: sources => {
    const findings: string[] = []
    const importers = new Map<string, Set<string>>()
    for (const source of sources) {
      if (!source.path.startsWith('src/')) continue
      for (const one of source.imports) {
        const name = packageOf(one)
        if (name === undefined) continue
        const place = PACKAGES[name]
        if (place === undefined) findings.push(at(source, one.node, `${name} is not a package of the house`))
        else if (!source.path.startsWith(place.within))
          findings.push(at(source, one.node, `${name} belongs to ${place.within}`))
        importers.set(name, (importers.get(name) ?? new Set()).add(source.path))
      }
    }
    for (const [name, paths] of importers) {
      const most = PACKAGES[name]?.files ?? 0
      if (paths.size > most) findings.push(`${[...paths].join(', ')}: ${name} is imported by ${paths.size} files`)
    }
    return findings
  },
  refuses: [
    { 'src/codec/a.ts': "import crc from 'crc-32'\ncrc.buf([])" },
    { 'src/files/node-file-system.ts': "const m = await import('mmap-io')\nm.map()" },
    { 'src/store/a.ts': "import lock from 'fs-native-extensions'\nlock()" },
    { 'src/base/a.ts': "import _ from 'lodash'\n_()" },
  ],
  accepts: [
    { 'src/codec/crc.ts': "import crc from 'crc-32'\nimport { crc32 } from 'node:zlib'\ncrc.buf(crc32)" },
    { 'src/files/mmap.ts': "const m = await import('mmap-io')\nm.map()" },
  ],
}

/** The package an import names; undefined for a file and for a Node module. */
function packageOf(one: Import): string | undefined {
  if (one.target !== undefined || one.specifier.startsWith('node:')) return undefined
  return one.specifier.split('/', one.specifier.startsWith('@') ? 2 : 1).join('/')
}

const disk: Rule = {
  says: 'the disk is reached from src/files alone, and from the command line for files its user names',
  check: eachSource((source, report) => {
    if (!source.path.startsWith('src/') || /^src\/(files|surfaces\/cli)\//.test(source.path)) return
    for (const { specifier, node } of source.imports) {
      if (/^(node:)?fs(\/promises)?$/.test(specifier)) report(at(source, node, `${specifier} belongs to src/files`))
    }
  }),
  refuses: [
    { 'src/store/a.ts': "import { open } from 'node:fs/promises'\nopen('x')" },
    { 'src/testing/a.ts': "import fs from 'fs'\nfs.openSync('x')" },
  ],
}

const time: Rule = {
  says: 'time is read and waited for in base/clock.ts alone',
  check: eachSource((source, report) => {
    if (!source.path.startsWith('src/') || source.path === CLOCK) return
    for (const { specifier, node } of source.imports) {
      if (TIMER_MODULES.has(specifier.replace(/^node:/, '')))
        report(at(source, node, `${specifier} belongs to ${CLOCK}`))
    }
    visit(source.tree, node => {
      const what = timeUse(source, node)
      if (what !== undefined) report(at(source, node, `${what} belongs to ${CLOCK}`))
    })
  }),
  refuses: [
    { 'src/store/a.ts': 'export const t = (): number => Date.now()' },
    { 'src/store/a.ts': 'export const t = (): number => performance.now()' },
    { 'src/store/a.ts': 'export const t = (): Date => new Date()' },
    { 'src/store/a.ts': 'setTimeout(() => {}, 1)' },
    { 'src/store/a.ts': 'globalThis.setInterval(() => {}, 1)' },
    { 'src/store/a.ts': "import { setTimeout as sleep } from 'node:timers/promises'\nawait sleep(1)" },
    { 'src/store/a.ts': 'export const t = (): bigint => process.hrtime.bigint()' },
    { 'src/store/a.ts': 'export const s = (): AbortSignal => AbortSignal.timeout(5)' },
  ],
  accepts: [
    { [CLOCK]: 'export const t = (): number => Date.now()' },
    { 'src/store/a.ts': 'export const d = (ms: number): string => new Date(ms).toISOString()\nsetImmediate(d)' },
  ],
}

function timeUse(source: Source, node: Node): string | undefined {
  if (isPropertyAccessExpression(node)) {
    const text = textOf(source, node).replace(/^globalThis\./, '')
    return TIME_READS.has(text) || TIMERS.has(text) ? text : undefined
  }
  if (isNewExpression(node) && isIdentifier(node.expression) && node.expression.text === 'Date') {
    return (node.arguments?.length ?? 0) === 0 ? 'new Date()' : undefined
  }
  if (isCallExpression(node) && isIdentifier(node.expression)) {
    const name = node.expression.text
    return TIMERS.has(name) || name === 'Date' ? name : undefined
  }
  return undefined
}

const endings: Rule = {
  says: "a file is imported with its ending '.ts', a Node module with its prefix 'node:'",
  check: eachSource((source, report) => {
    for (const { target, specifier, node } of source.imports) {
      if (target !== undefined && !/\.(ts|mjs|json)$/.test(specifier))
        report(at(source, node, `${specifier} has no ending .ts`))
      if (target === undefined && NODE_MODULES.has(specifier))
        report(at(source, node, `${specifier} has no prefix node:`))
    }
  }),
  refuses: [
    { 'src/base/a.ts': "import { b } from './b'\nb()" },
    { 'src/base/a.ts': "import { b } from './b.js'\nb()" },
    { 'src/files/a.ts': "import { open } from 'fs/promises'\nopen('x')" },
  ],
}

const NODE_MODULES: ReadonlySet<string> = new Set(
  'assert buffer child_process crypto events fs fs/promises os path process stream url util worker_threads zlib'.split(
    ' ',
  ),
)

const typeImports: Rule = {
  says: "types are imported and passed on by statements of their own: 'import type', never 'import { type X }'",
  check: eachSource((source, report) =>
    visit(source.tree, node => {
      if ((isImportSpecifier(node) || isExportSpecifier(node)) && node.isTypeOnly)
        report(at(source, node, textOf(source, node)))
    }),
  ),
  refuses: [
    { 'src/base/a.ts': "import { type B } from './b.ts'\nexport type A = B" },
    { 'src/base/a.ts': "export { type B, c } from './b.ts'" },
  ],
  accepts: [{ 'src/base/a.ts': "import type { B } from './b.ts'\nexport type A = B" }],
}

const barrels: Rule = {
  says: 'only the entry points of the package pass on what other files export',
  check: eachSource((source, report) => {
    if (!source.path.startsWith('src/') || ENTRY_POINTS.has(source.path)) return
    for (const { isReExport, node } of source.imports) {
      if (isReExport) report(at(source, node, textOf(source, node)))
    }
  }),
  refuses: [
    { 'src/base/a.ts': "export * from './b.ts'" },
    { 'src/codec/a.ts': "export type { B } from './b.ts'" },
    { 'src/codec/index.ts': "export { b } from './b.ts'" },
  ],
  accepts: [{ 'src/index.ts': "export { b } from './messaging/b.ts'" }],
}

/** Rules about imports. */
export const IMPORT_RULES: readonly Rule[] = [rooms, cycles, packages, disk, time, endings, typeImports, barrels]
