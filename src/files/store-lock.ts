/**
 * The lock on a folder: an OFD write lock on byte 0 of `<folder>/lock`, which excludes a RocketMQ broker and is excluded by
 * one, excludes a second open in this process, and is freed by the kernel when its holder dies.
 * The one importer of fs-native-extensions: 25 small modules, loaded beforehand so that opening a folder does not stop a running
 * service for as long as that takes.
 */
import fs from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../base/clock.ts'
import { PocketMQError } from '../base/errors.ts'
import type { StoreLock } from './file-system.ts'
import { errnoOf, ioError } from './io-error.ts'
import { holderOfFile } from './lock-holder.ts'
import { NodeFile } from './node-file.ts'

/** RocketMQ: StorePathConfigHelper.getLockFile and its content. */
export const LOCK_FILE = 'lock'
const LOCK_CONTENT = Buffer.from('lock', 'ascii')
/** A freed lock is noticed within this; one attempt costs two microseconds. */
const RETRY_MS = 10

type NativeLocks = {
  tryLock(fd: number, offset: number, length: number): boolean
  unlock(fd: number, offset: number, length: number): void
}

/** The addon, or why there is none: told to whoever takes a lock. */
const loading: Promise<NativeLocks | { readonly failure: unknown }> = import('fs-native-extensions').then(
  addon => addon.default,
  (failure: unknown) => ({ failure }),
)

/** Lock files held by this process, as `device:inode`. */
const heldHere = new Set<string>()

/** Takes the lock on `folder`, waiting up to `waitMs`. See FileSystem.lock. */
export async function lockFolder(folder: string, waitMs: number, mode: number): Promise<StoreLock> {
  const locks = await loadedLocks()
  const path = join(folder, LOCK_FILE)
  const file = await NodeFile.open(path, 'create', mode)
  try {
    const key = fileKey(file)
    await acquire(locks, file, key, waitMs)
    heldHere.add(key)
    if ((await file.sizeBytes()) === 0) await file.write(LOCK_CONTENT, 0)
    return heldLock(file, key)
  } catch (thrown) {
    await file.close()
    throw thrown
  }
}

/** Who holds the lock on `folder`, in words, where the system tells; undefined where nobody does or nobody can know. */
export async function lockHolderOf(folder: string): Promise<string | undefined> {
  const path = join(folder, LOCK_FILE)
  return await holderOfFile(path, heldHere)
}

function heldLock(file: NodeFile, key: string): StoreLock {
  let released: Promise<void> | undefined
  const release = async (): Promise<void> => {
    heldHere.delete(key)
    // Closing the only descriptor of this open file frees the lock; there is nothing to unlock first.
    await file.close()
  }
  return {
    release: () => {
      released ??= release()
      return released
    },
  }
}

async function acquire(locks: NativeLocks, file: NodeFile, key: string, waitMs: number): Promise<void> {
  const deadline = systemClock.monotonicMs() + waitMs
  while (!(await tryOnce(locks, file, key))) {
    const left = deadline - systemClock.monotonicMs()
    if (left <= 0) throw await lockedError(file.path)
    // Polled: the addon's own wait cannot be ended and would keep a thread of the pool.
    await systemClock.sleep(Math.min(RETRY_MS, left))
  }
}

async function tryOnce(locks: NativeLocks, file: NodeFile, key: string): Promise<boolean> {
  if (heldHere.has(key)) return false
  try {
    return locks.tryLock(file.fd, 0, 1)
  } catch (thrown) {
    throw new PocketMQError('LOCK_UNAVAILABLE', `Cannot lock ${file.path}: the file system has no such locks`, {
      hint: "Put the store on a local file system, or open it with lock: 'none' where nothing else can open it.",
      cause: ioError(thrown, 'lock', file.path),
      details: { path: file.path, operation: 'lock' },
    })
  }
}

async function lockedError(path: string): Promise<PocketMQError> {
  const holder = await holderOfFile(path, heldHere)
  return new PocketMQError(
    'STORE_LOCKED',
    `The store is in use${holder === undefined ? '' : ` by ${holder}`}: ${path}`,
    {
      hint: 'Close the other owner, wait for it with lockWaitMs, or look into the folder with openReadOnly.',
      details: { path, holder },
    },
  )
}

async function loadedLocks(): Promise<NativeLocks> {
  const locks = await loading
  if (!('failure' in locks)) return locks
  const { failure } = locks
  if (errnoOf(failure) === 'EMFILE') throw ioError(failure, 'load', 'fs-native-extensions')
  throw new PocketMQError('LOCK_UNAVAILABLE', 'The lock addon (fs-native-extensions) cannot be loaded here', {
    hint: "There is no build of it for this platform (musl, for one): open with lock: 'none' where nothing else can open the store.",
    cause: failure,
    details: { platform: process.platform, arch: process.arch },
  })
}

function fileKey(file: NodeFile): string {
  try {
    const { dev, ino } = fs.fstatSync(file.fd, { bigint: true })
    return `${dev}:${ino}`
  } catch (thrown) {
    throw ioError(thrown, 'stat', file.path)
  }
}
