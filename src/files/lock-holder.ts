/**
 * Who holds the lock on a file, as far as Linux tells: /proc/locks lists every lock by device and inode, with the pid of a
 * POSIX holder (Java) and -1 for an OFD holder (us), whose process is then looked for by its open descriptors.
 */
import fs from 'node:fs/promises'
import { basename, join } from 'node:path'
import { errnoOf, ioError } from './io-error.ts'

/** One line of /proc/locks that concerns a file. */
export type ProcLock = { readonly kind: string; readonly pid: number; readonly start: number }

/** Processes that are looked at at most to put a name to an OFD lock. */
const PROCESSES_MAX = 4096

/**
 * @param path of the lock file
 * @param heldHere lock files this process holds, as `device:inode`
 * @returns words like "process 4711 (java)", or undefined where nobody holds it or this system does not tell
 */
export async function holderOfFile(path: string, heldHere: ReadonlySet<string>): Promise<string | undefined> {
  const stat = await statOf(path)
  if (stat === undefined) return undefined
  if (heldHere.has(`${stat.dev}:${stat.ino}`)) return `this process (${process.pid})`
  const text = await textOf('/proc/locks')
  if (text === undefined) return undefined
  const lock = locksOn(text, stat.dev, stat.ino).find(({ start }) => start === 0)
  if (lock === undefined) return undefined
  const pid = lock.pid > 0 ? lock.pid : await findHolder(path)
  if (pid === undefined) return 'a process of another user or container'
  return await describe(pid)
}

/** The granted write locks on a file among the lines of /proc/locks. */
export function locksOn(procLocks: string, device: bigint, inode: bigint): ProcLock[] {
  const wanted = `${deviceText(device)}:${inode}`
  const found: ProcLock[] = []
  for (const line of procLocks.split('\n')) {
    // 12: POSIX  ADVISORY  WRITE 4711 fd:00:1835027 0 0        a waiting one has "->" behind the number
    const [, kind, , access, pid, file, start] = line.trim().split(/\s+/)
    if (kind !== 'POSIX' && kind !== 'OFDLCK') continue
    if (access === 'WRITE' && file === wanted) found.push({ kind, pid: Number(pid), start: Number(start) })
  }
  return found
}

/** Linux packs major and minor into `st_dev`; /proc/locks shows them in hexadecimal, two digits at least. */
function deviceText(device: bigint): string {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn)
  const minor = (device & 0xffn) | ((device >> 12n) & ~0xffn)
  return [major, minor].map(part => part.toString(16).padStart(2, '0')).join(':')
}

/** The process that has `path` open with a lock on it, among those this user may look into. */
async function findHolder(path: string): Promise<number | undefined> {
  const target = await fs.realpath(path).catch(() => path)
  const pids = (await namesIn('/proc')).filter(name => /^\d+$/.test(name)).slice(0, PROCESSES_MAX)
  for (const pid of pids) {
    for (const fd of await namesIn(`/proc/${pid}/fd`)) {
      if ((await fs.readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')) !== target) continue
      const flags = await textOf(`/proc/${pid}/fdinfo/${fd}`)
      if (flags?.includes('lock:') === true) return Number(pid)
    }
  }
  return undefined
}

async function describe(pid: number): Promise<string> {
  const commandLine = (await textOf(`/proc/${pid}/cmdline`)) ?? ''
  const [program = '', script = ''] = commandLine.split('\0')
  const words = [basename(program), script.startsWith('-') ? '' : basename(script)].filter(word => word !== '')
  return words.length === 0 ? `process ${pid}` : `process ${pid} (${words.join(' ')})`
}

/** /proc changes while it is read, and most of it belongs to others: what cannot be read is not there. */
async function namesIn(folder: string): Promise<string[]> {
  return await fs.readdir(folder).catch(() => [])
}

async function textOf(path: string): Promise<string | undefined> {
  return await fs.readFile(join(path), 'utf8').catch(() => undefined)
}

async function statOf(path: string): Promise<{ dev: bigint; ino: bigint } | undefined> {
  try {
    return await fs.stat(path, { bigint: true })
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return undefined
    throw ioError(thrown, 'stat', path)
  }
}
