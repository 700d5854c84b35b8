/** The programs that can be measured here, and for each that cannot, why. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { projectRoot } from './machine.ts'

/** How a contestant is started, or why it is not. */
export type Program =
  | { readonly command: string; readonly args: readonly string[]; readonly version: string }
  | { readonly missing: string }

const PEERS = fileURLToPath(new URL('bench/peers/', projectRoot()))
const COMPILED = `${PEERS}target/node/bench/peers/`
const CLASS_PATH = `${PEERS}target/class-path`
/** RocketMQ's own flags (runbroker.sh), with a heap of 2 GiB that is all there before it is measured. */
const JAVA_HEAP = [
  ...['-server', '-Xms2g', '-Xmx2g', '-XX:+AlwaysPreTouch', '-XX:+UseG1GC', '-XX:G1HeapRegionSize=16m'],
  ...['-XX:G1ReservePercent=25', '-XX:InitiatingHeapOccupancyPercent=30', '-XX:SoftRefLRUPolicyMSPerMB=0'],
]
/** What Chronicle Queue asks for on Java 17, and leaving its usage reports off. */
const CHRONICLE_FLAGS = [
  '-Dchronicle.analytics.disable=true',
  ...['java.base/jdk.internal.ref', 'java.base/sun.nio.ch', 'jdk.unsupported/sun.misc'].map(exported),
  exported('jdk.compiler/com.sun.tools.javac.file'),
  ...['lang', 'lang.reflect', 'io', 'nio', 'util'].map(name => `--add-opens=java.base/java.${name}=ALL-UNNAMED`),
  '--add-opens=jdk.compiler/com.sun.tools.javac=ALL-UNNAMED',
  '--add-opens=java.base/sun.nio.ch=ALL-UNNAMED',
]
const NPM_PEERS = ['lmdb', 'classic-level', 'better-sqlite3', 'hypercore'] as const

/** Our own programs, and with `withPeers` everybody else's: installed and built where that can be done here. */
export function findPrograms(withPeers: boolean, log: (line: string) => void): Readonly<Record<string, Program>> {
  const ours = (name: string): Program => ({
    command: process.execPath,
    args: ['--expose-gc', fileURLToPath(new URL(`../contestants/${name}.js`, import.meta.url))],
    version: 'this commit',
  })
  const own = { pocketmq: ours('pocketmq'), 'plain-memory': ours('plain-memory') }
  return withPeers ? { ...own, ...nodePeers(log), ...javaPeers(log), ...serverPeers() } : own
}

function nodePeers(log: (line: string) => void): Record<string, Program> {
  if (!existsSync(`${PEERS}node_modules/lmdb`)) {
    log('installing the npm peers into bench/peers')
    // Not `npm ci`: npm 11.19 refuses a lock file that lacks packages of other platforms, which a registry need not have.
    run('npm', ['install', '--no-save', '--no-audit', '--no-fund'], PEERS)
  }
  run(process.execPath, [fileURLToPath(new URL('node_modules/typescript/bin/tsc', projectRoot())), '-p', PEERS], PEERS)
  const programs: Record<string, Program> = {}
  for (const name of NPM_PEERS) {
    const manifest = `${PEERS}node_modules/${name}/package.json`
    programs[name] = existsSync(manifest)
      ? nodePeer(name, (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version)
      : { missing: `npm did not install ${name}` }
  }
  for (const name of ['batched-writev', 'write-sync']) programs[name] = nodePeer(name, `Node ${process.version}`)
  return programs
}

function nodePeer(name: string, version: string): Program {
  return { command: process.execPath, args: [`${COMPILED}${name}.js`], version }
}

/** The Java peers, or why they are not there. */
export function javaPeers(log: (line: string) => void): Record<string, Program> {
  const lacking = ['java', 'javac', 'mvn'].find(command => versionOf(command, '-version') === undefined)
  if (lacking !== undefined) return missing(['rocketmq', 'chronicle-queue'], `${lacking} is not installed`)
  if (!existsSync(CLASS_PATH)) log('building the Java peers with Maven')
  // Offline first, so that a machine without a network measures what it has.
  const maven = ['-B', '-q', '-ntp', 'process-classes']
  if (spawnSync('mvn', ['-o', ...maven], { cwd: PEERS, stdio: 'ignore' }).status !== 0) run('mvn', maven, PEERS)
  const classPath = readFileSync(CLASS_PATH, 'utf8').trim()
  const java = (main: string, jar: string, flags: readonly string[]): Program => ({
    command: 'java',
    args: [...JAVA_HEAP, ...flags, '-cp', `${PEERS}target/classes:${classPath}`, `pocketmq.bench.${main}`],
    version: new RegExp(`/${jar}-([^/]*)\\.jar`).exec(classPath)?.[1] ?? 'unknown',
  })
  return {
    rocketmq: java('RocketMq', 'rocketmq-store', []),
    'chronicle-queue': java('Chronicle', 'chronicle-queue', CHRONICLE_FLAGS),
  }
}

/** The peers that need a server which the system has, or why they are not there. */
export function serverPeers(): Record<string, Program> {
  const programs: Record<string, Program> = {}
  for (const [name, server] of [
    ['redis-streams', 'redis-server'],
    ['nats-jetstream', 'nats-server'],
  ] as const) {
    const version = versionOf(server, '--version')
    programs[name] = version === undefined ? { missing: `${server} is not installed` } : nodePeer(name, version)
  }
  return programs
}

function missing(names: readonly string[], why: string): Record<string, Program> {
  return Object.fromEntries(names.map(name => [name, { missing: why }]))
}

function versionOf(command: string, option: string): string | undefined {
  const { error, stdout, stderr } = spawnSync(command, [option], { encoding: 'utf8' })
  return error === undefined ? (`${stdout}${stderr}`.match(/\d+(\.\d+)+/)?.[0] ?? 'unknown') : undefined
}

function run(command: string, args: readonly string[], cwd: string): void {
  execFileSync(command, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] })
}

function exported(name: string): string {
  return `--add-exports=${name}=ALL-UNNAMED`
}
