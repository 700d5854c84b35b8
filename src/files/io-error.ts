/** Turns what node:fs throws into the typed errors of the FileSystem seam; the one table of errno and advice. */

import type { ErrorName } from '../base/errors.ts'
import { isErrorNamed, PocketMQError } from '../base/errors.ts'

/** Codes other than IO, by errno. */
const NAME_BY_ERRNO: ReadonlyMap<string, ErrorName> = new Map([
  ['ENOSPC', 'DISK_FULL'],
  ['EDQUOT', 'DISK_FULL'],
  ['EROFS', 'READ_ONLY'],
])

/** A next step by errno. */
const HINT_BY_ERRNO: ReadonlyMap<string, string> = new Map([
  ['ENOSPC', 'Free some space on the device that holds the store; writes go on by themselves when there is room.'],
  ['EDQUOT', 'Raise the disk quota or free some space; writes go on by themselves when there is room.'],
  ['EROFS', 'Mount the file system writable, or read the folder with openReadOnly.'],
  ['EMFILE', 'This process has no file descriptors left: raise its limit (ulimit -n), or look for a leak.'],
  ['ENFILE', 'This machine has no file descriptors left: raise fs.file-max, or look for a leak.'],
  ['EACCES', 'Let the user this process runs as read and write the folder and everything in it (chown, chmod).'],
  ['EPERM', 'Let the user this process runs as read and write the folder and everything in it (chown, chmod).'],
  ['EIO', "The device failed: look into the system's log (dmesg), and restore from a backup onto a healthy one."],
  ['ENOENT', 'Check the path: something removed it, or a part of it was never there.'],
  ['ENOTDIR', 'Choose another path: a part of this one is a file where a folder is needed.'],
  ['EISDIR', 'Choose another path: this one is a folder where a file is needed.'],
  ['EEXIST', 'Choose another path, or move away what is there.'],
  ['ENOTEMPTY', 'Empty the folder first.'],
  ['ENAMETOOLONG', 'Use a shorter path or topic name.'],
  [
    'EFBIG',
    'Raise the limit of this process (ulimit -f), or move the store to a file system that takes files of this size.',
  ],
])

/** The errno name of something thrown by Node, or undefined. */
export function errnoOf(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error)) return undefined
  const code: unknown = (thrown as NodeJS.ErrnoException).code
  return typeof code === 'string' ? code : undefined
}

/** The errno name behind a PocketMQError of a file operation, or undefined. */
export function errnoBehind(error: unknown): string | undefined {
  return error instanceof PocketMQError ? errnoOf(error.cause) : errnoOf(error)
}

/**
 * The typed error for a failed `operation` (one word, as in "write") on `path`: DISK_FULL, READ_ONLY or IO.
 * A PocketMQError passes through as it is.
 */
export function ioError(
  thrown: unknown,
  operation: string,
  path: string,
  details: Readonly<Record<string, unknown>> = {},
): PocketMQError {
  if (thrown instanceof PocketMQError) return thrown
  const errno = errnoOf(thrown)
  const name = (errno === undefined ? undefined : NAME_BY_ERRNO.get(errno)) ?? 'IO'
  const reason = thrown instanceof Error ? thrown.message : String(thrown)
  return new PocketMQError(name, `Cannot ${operation} ${path}: ${reason}`, {
    hint:
      (errno === undefined ? undefined : HINT_BY_ERRNO.get(errno)) ??
      'Look up what the cause means on this system, mend it, and try again.',
    cause: thrown,
    details: { ...details, operation, path, errno },
  })
}

/** Bytes that a failed write of a StoreFile has put into the file. */
export function writtenBytesOf(thrown: unknown): number {
  const through = thrown instanceof PocketMQError ? thrown.details.writtenBytes : 0
  return typeof through === 'number' ? through : 0
}

/** Out of descriptors: some are given back sooner or later. */
const NO_DESCRIPTOR: ReadonlySet<string | undefined> = new Set(['EMFILE', 'ENFILE'])

/**
 * Whether what failed may well succeed later and nothing that was written is in doubt: there is no room on the device, or no
 * descriptor to open a file with. Never a flush, whatever it says: the kernel may have dropped the pages.
 */
export function isPassing(error: unknown): boolean {
  if (!(error instanceof PocketMQError) || String(error.details.operation).startsWith('flush')) return false
  return isErrorNamed(error, 'DISK_FULL') || NO_DESCRIPTOR.has(errnoBehind(error))
}

/** The typed error for something that the operating system did not refuse but that cannot be right. */
export function brokenFile(message: string, path: string, details: Readonly<Record<string, unknown>>): PocketMQError {
  return new PocketMQError('CORRUPT', message, {
    hint: 'Run `pocketmq verify` on the folder; a backup or `pocketmq repair` mends it.',
    details: { ...details, file: path, path },
  })
}

/** The typed error for the use of a file that has been closed. */
export function closedFile(path: string): PocketMQError {
  return new PocketMQError('STORE_CLOSED', `${path} has been closed`, {
    hint: 'Open the store again.',
    details: { path },
  })
}
