/** The package as a user gets it: packed, installed into an empty folder without the optional addon, imported, used. */
import type { SpawnSyncReturns } from 'node:child_process'
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { REPOSITORY } from './sources.ts'

type Manifest = {
  readonly version: string
  readonly files: readonly string[]
  readonly bin: Readonly<Record<string, string>>
}

const manifest = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8')) as Manifest
const MINUTE_MS = 60_000
/** Installing asks the registry only for what npm has not seen yet. */
const INSTALL = ['install', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error']

let workshop = ''
let tarball = ''

beforeAll(() => {
  workshop = mkdtempSync(join(lonelyFolder(), 'pocketmq-package-'))
  tarball = pack(join(workshop, 'staged'))
}, 2 * MINUTE_MS)

afterAll(() => rmSync(workshop, { recursive: true, force: true }))

/** A folder for temporary files above which no packages are installed: those would be found in place of missing ones. */
function lonelyFolder(): string {
  const isLonely = (folder: string): boolean =>
    !existsSync(join(folder, 'node_modules')) && (dirname(folder) === folder || isLonely(dirname(folder)))
  const folder = [tmpdir(), '/var/tmp', homedir()].find(isLonely)
  if (folder === undefined) throw new Error('there is a node_modules above every folder for temporary files')
  return folder
}

/** Builds into a folder beside the repository's own, so that no other test sees a half-built dist, and packs it. */
function pack(staged: string): string {
  mkdirSync(staged)
  for (const entry of ['package.json', ...manifest.files.filter(name => name !== 'dist')]) {
    mkdirSync(dirname(join(staged, entry)), { recursive: true })
    if (existsSync(join(REPOSITORY, entry))) cpSync(join(REPOSITORY, entry), join(staged, entry), { recursive: true })
  }
  const tsc = join(REPOSITORY, 'node_modules/typescript/bin/tsc')
  execFileSync(
    process.execPath,
    [tsc, '-p', join(REPOSITORY, 'tsconfig.json'), '--noCheck', '--outDir', join(staged, 'dist')],
    {
      stdio: 'inherit',
    },
  )
  execFileSync('npm', ['pack', '--ignore-scripts', '--loglevel=error', '--pack-destination', workshop], {
    cwd: staged,
    stdio: 'pipe',
  })
  return join(workshop, `pocketmq-${manifest.version}.tgz`)
}

function installed(name: string, ...options: string[]): string {
  const folder = join(workshop, name)
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, version: '1.0.0', private: true }))
  const install = (): SpawnSyncReturns<string> =>
    spawnSync('npm', [...INSTALL, ...options, tarball], { cwd: folder, encoding: 'utf8' })
  const first = install()
  // A registry may hiccup once.
  const last = first.status === 0 ? first : install()
  if (last.status !== 0) throw new Error(`npm install failed: ${last.stderr}`)
  return folder
}

/** Runs a program given as text, as a user's own module in that folder. */
function run(
  folder: string,
  program: string,
): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  writeFileSync(join(folder, 'program.mjs'), program)
  return spawnSync(process.execPath, ['program.mjs'], { cwd: folder, encoding: 'utf8', timeout: MINUTE_MS })
}

const PUT_AND_GET = `
import { MessageStore } from 'pocketmq/store'
const store = await MessageStore.open('./engine', { commitLogSegmentBytes: 1 << 20 })
const put = store.put({ topic: 'orders', queueId: 0, body: Buffer.from('first'), properties: { KEYS: 'k1' } })
await store.flushed(put.physicalOffset + put.sizeBytes)
await store.dispatched(put.physicalOffset + put.sizeBytes)
const { status, messages } = await store.read({ topic: 'orders', queueId: 0, queueOffset: 0, maxMessages: 8 })
console.log(status, messages.map(message => message.body.toString()).join())
await store.close()
`

const SEND_AND_CONSUME = `
import { PocketMQ } from 'pocketmq'
const mq = await PocketMQ.open('./queue-data')
const receipt = await mq.producer().send({ topic: 'orders', body: 'first' }, { durability: 'disk' })
const body = await new Promise((resolve, reject) => {
  mq.pushConsumer({ consumerGroup: 'billing', subscriptions: { orders: '*' }, messageListener: async message => resolve(message.body.toString()) }).catch(reject)
})
console.log(receipt.durability, body)
await mq.close()
`

const ADDON_MISSING = `
import { MessageStore } from 'pocketmq/store'
await MessageStore.open('./mapped', { io: 'mmap' }).then(() => console.log('opened'), error => console.log(error.code, error.hint !== ''))
`

describe.each([
  { title: 'without optional dependencies', name: 'omitted', options: ['--omit=optional'], hasAddonFolder: false },
  { title: 'without install scripts', name: 'unscripted', options: ['--ignore-scripts'], hasAddonFolder: true },
])('the package, installed $title', ({ name, options, hasAddonFolder }) => {
  let folder = ''
  beforeAll(() => {
    folder = installed(name, ...options)
  }, 3 * MINUTE_MS)

  it('has no addon, and imports all the same', () => {
    expect(existsSync(join(folder, 'node_modules/mmap-io'))).toBe(hasAddonFolder)
    const { stdout, stderr, status } = run(
      folder,
      "const { PocketMQ } = await import('pocketmq')\nconsole.log(typeof PocketMQ.open)",
    )
    expect({ stdout, stderr, status }).toEqual({ stdout: 'function\n', stderr: '', status: 0 })
  })

  it('sends a message and consumes it', () => {
    const { stdout, stderr, status } = run(folder, SEND_AND_CONSUME)
    expect({ stdout, stderr, status }).toEqual({ stdout: 'disk first\n', stderr: '', status: 0 })
  })

  it("puts a record and reads it through 'pocketmq/store'", () => {
    const { stdout, stderr, status } = run(folder, PUT_AND_GET)
    expect({ stdout, stderr, status }).toEqual({ stdout: 'found first\n', stderr: '', status: 0 })
  })

  it("offers 'pocketmq/testing'", () => {
    const { stdout, stderr } = run(
      folder,
      "const testing = await import('pocketmq/testing')\nconsole.log(Object.keys(testing).length > 0)",
    )
    expect({ stdout, stderr }).toEqual({ stdout: 'true\n', stderr: '' })
  })

  it("answers io: 'mmap' with an error that says what to do", () => {
    const { stdout, stderr } = run(folder, ADDON_MISSING)
    expect({ stdout, stderr }).toEqual({ stdout: expect.stringMatching(/^POCKETMQ_\w+ true\n$/), stderr: '' })
  })

  it('has a command line that knows its version', () => {
    const { stdout, status } = spawnSync('npx', ['--no-install', 'pocketmq', '--version'], {
      cwd: folder,
      encoding: 'utf8',
    })
    expect({ stdout: stdout.trim(), status }).toEqual({ stdout: manifest.version, status: 0 })
  })
})

describe('the package', () => {
  it('holds what it promises and nothing of the tests', () => {
    const names = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' }).trimEnd().split('\n')
    for (const entry of manifest.files) {
      expect(
        names.some(name => name === `package/${entry}` || name.startsWith(`package/${entry}/`)),
        entry,
      ).toBe(true)
    }
    expect(names.filter(name => /\/(test|bench|src)\//.test(name))).toEqual([])
    expect(readdirSync(join(workshop, 'staged/dist')).length).toBeGreaterThan(5)
  })

  it('has no any in the types it gives its users', () => {
    const dist = join(workshop, 'staged/dist')
    const declarations = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.d.ts'))
    expect(declarations).toContain('index.d.ts')
    const withAny = declarations.filter(name => {
      const code = readFileSync(join(dist, name), 'utf8').replace(/\/\*.*?\*\/|\/\/[^\n]*|'[^'\n]*'/gs, '')
      return /(?<![\w$.])any(?![\w$(:?])/.test(code)
    })
    expect(withAny).toEqual([])
  })

  it('pleases publint', { timeout: MINUTE_MS }, () => {
    const { stdout, status } = tool('publint/src/cli.js', 'run', '--strict', tarball)
    expect(status, stdout).toBe(0)
  })

  it('has types that resolve as its code does', { timeout: MINUTE_MS }, () => {
    const { stdout, status } = tool(
      '@arethetypeswrong/cli/dist/index.js',
      '--profile',
      'esm-only',
      '--no-color',
      tarball,
    )
    expect(status, stdout).toBe(0)
  })
})

function tool(script: string, ...options: string[]): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [join(REPOSITORY, 'node_modules', script), ...options], {
    cwd: workshop,
    encoding: 'utf8',
  })
}
