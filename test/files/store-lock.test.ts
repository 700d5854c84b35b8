import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { locksOn } from '../../src/files/lock-holder.ts'
import { nodeFileSystem } from '../../src/files/node-file-system.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { diskChild } from './child.ts'

const disk = nodeFileSystem('file')
const isLinux = process.platform === 'linux'

/** A POSIX lock on byte 0, as Java takes it. */
const POSIX_LOCK = `
import fcntl, sys
file = open(sys.argv[1], 'r+b')
fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0)
print('locked', flush=True)
sys.stdin.read()`

describe('the lock of a folder between processes', () => {
  it('refuses a second process and names the one that has it', async () => {
    const folder = temporaryFolder()
    const child = diskChild(['lock', folder])
    expect(await child.next()).toEqual({ locked: child.pid })
    const refused = { code: 'POCKETMQ_STORE_LOCKED', retryable: true }
    const error = await disk.lock(folder, 0, 0o600).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject(refused)
    if (isLinux) expect(error).toMatchObject({ details: { holder: `process ${child.pid} (node disk-child.js)` } })
    if (isLinux) expect(await disk.lockHolder(folder)).toBe(`process ${child.pid} (node disk-child.js)`)
  })

  it('is free as soon as its holder is killed, and goes to who waits for it', async () => {
    const folder = temporaryFolder()
    const child = diskChild(['lock', folder])
    await child.next()
    const waiting = disk.lock(folder, 20_000, 0o600)
    await child.kill()
    const lock = await waiting
    expect(await disk.lockHolder(folder)).toContain('this process')
    await lock.release()
  })

  it('gives up when the wait is over', async () => {
    const folder = temporaryFolder()
    const lock = await disk.lock(folder, 0, 0o600)
    const startedMs = performance.now()
    await expect(disk.lock(folder, 60, 0o600)).rejects.toMatchObject({ code: 'POCKETMQ_STORE_LOCKED' })
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(55)
    await lock.release()
  })

  it.skipIf(!isLinux)('excludes the POSIX lock of a Java broker, and is excluded by it', async () => {
    const folder = temporaryFolder()
    const path = join(folder, 'lock')
    writeFileSync(path, 'lock')
    const broker = spawn('python3', ['-c', POSIX_LOCK, path])
    onTestFinished(() => {
      broker.kill('SIGKILL')
    })
    await once(broker.stdout, 'data')
    await expect(disk.lock(folder, 0, 0o600)).rejects.toMatchObject({
      code: 'POCKETMQ_STORE_LOCKED',
      details: { holder: expect.stringContaining(`process ${broker.pid}`) },
    })
    expect(await disk.lockHolder(folder)).toContain(`process ${broker.pid} (python3`)
    broker.stdin.end()
    await once(broker, 'exit')
    const lock = await disk.lock(folder, 0, 0o600)
    const refused = spawn('python3', ['-c', POSIX_LOCK, path])
    const [code] = await once(refused, 'exit')
    expect(code).toBe(1)
    await lock.release()
  })

  it('of two folders are two locks', async () => {
    const [one, other] = [temporaryFolder(), temporaryFolder()]
    const first = await disk.lock(one, 0, 0o600)
    const second = await disk.lock(other, 0, 0o600)
    await first.release()
    await expect(disk.lock(other, 0, 0o600)).rejects.toMatchObject({ code: 'POCKETMQ_STORE_LOCKED' })
    await second.release()
  })
})

describe('the lines of /proc/locks', () => {
  const text = [
    '1: POSIX  ADVISORY  WRITE 4711 fe:00:10011421 0 0',
    '1: -> POSIX  ADVISORY  WRITE 4712 fe:00:10011421 0 0',
    '2: OFDLCK ADVISORY  WRITE -1 103:1a:77 0 EOF',
    '3: FLOCK  ADVISORY  WRITE 99 fe:00:10011421 0 EOF',
    '4: POSIX  ADVISORY  READ  98 fe:00:10011421 0 0',
    '5: POSIX  ADVISORY  WRITE 97 fe:00:10011422 128 191',
    'nonsense',
    '',
  ].join('\n')
  const device = (major: bigint, minor: bigint): bigint => {
    return (minor & 0xffn) | (major << 8n) | ((minor & ~0xffn) << 12n)
  }

  it('are told apart by device, inode and kind; those that only wait do not hold', () => {
    expect(locksOn(text, device(0xfen, 0n), 10011421n)).toEqual([{ kind: 'POSIX', pid: 4711, start: 0 }])
    expect(locksOn(text, device(0x103n, 0x1an), 77n)).toEqual([{ kind: 'OFDLCK', pid: -1, start: 0 }])
    expect(locksOn(text, device(0xfen, 0n), 10011422n)).toEqual([{ kind: 'POSIX', pid: 97, start: 128 }])
    expect(locksOn(text, device(0xfen, 1n), 10011421n)).toEqual([])
    expect(locksOn(text, device(0xfen, 0n), 1n)).toEqual([])
  })
})
