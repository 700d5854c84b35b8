/** Faults of a simulated disk: which call fails, when, and how. */
import { PocketMQError } from '../base/errors.ts'

/** The calls of a disk that can fail. */
export type DiskOperation =
  | 'open'
  | 'read'
  | 'write'
  | 'truncate'
  | 'flush'
  | 'list'
  | 'stat'
  | 'create-folder'
  | 'rename'
  | 'link'
  | 'remove'
  | 'flush-folder'

/** What goes wrong. */
export type Fault =
  /** The call fails. Of a write, `writtenBytes` go through first. */
  | { readonly errno: 'EIO' | 'ENOSPC' | 'EDQUOT' | 'EROFS' | 'EACCES' | 'EMFILE'; readonly writtenBytes?: number }
  /** A flush that reports success and makes nothing durable: a device that lies. */
  | { readonly isLost: true }
  /** A read that returns one wrong bit; what is stored stays right. */
  | { readonly flippedBit: { readonly position: number; readonly bit: number } }

/** When it goes wrong. */
export type FaultRule = {
  readonly operation: DiskOperation | 'any'
  /**
   * Of the path: a regular expression, or a pattern in which `*` stands for anything within one name and `**` for anything
   * at all; it has to match the end of the path from some name on. Default: every path.
   */
  readonly path?: RegExp | string
  /** The first matching call that fails; 1 is the next one. Default 1. */
  readonly nth?: number
  /** How many calls fail from there on; `Infinity` until removed. Default 1. */
  readonly times?: number
  readonly fault: Fault
}

/** A rule in force. */
export type InjectedFault = {
  /** How many calls it has hit. */
  readonly hits: number
  /** Ends it. */
  remove(): void
}

const TEXT_BY_ERRNO = {
  EIO: 'i/o error',
  ENOSPC: 'no space left on device',
  EDQUOT: 'disk quota exceeded',
  EROFS: 'read-only file system',
  EACCES: 'permission denied',
  EMFILE: 'too many open files',
  ENOENT: 'no such file or directory',
  EEXIST: 'file already exists',
  ENOTDIR: 'not a directory',
  EISDIR: 'illegal operation on a directory',
  ENOTEMPTY: 'directory not empty',
  EBADF: 'bad file descriptor',
} as const

/** An error as node:fs would throw it. */
export function errnoError(errno: keyof typeof TEXT_BY_ERRNO, operation: string, path: string): Error {
  const error = new Error(`${errno}: ${TEXT_BY_ERRNO[errno]}, ${operation} '${path}'`)
  return Object.assign(error, { code: errno, syscall: operation, path })
}

class ActiveRule implements InjectedFault {
  readonly rule: FaultRule
  readonly #remove: (rule: ActiveRule) => void
  readonly #path: RegExp | undefined
  #matched = 0
  #hits = 0

  constructor(rule: FaultRule, remove: (rule: ActiveRule) => void) {
    this.rule = rule
    this.#remove = remove
    this.#path = typeof rule.path === 'string' ? patternOf(rule.path) : rule.path
  }

  get hits(): number {
    return this.#hits
  }

  remove(): void {
    this.#remove(this)
  }

  /** Whether this call is one that fails; counts it. */
  strikes(operation: DiskOperation, path: string): boolean {
    const { nth = 1, times = 1 } = this.rule
    if (this.rule.operation !== 'any' && this.rule.operation !== operation) return false
    if (this.#path !== undefined && !this.#path.test(path)) return false
    this.#matched++
    if (this.#matched < nth || this.#hits >= times) return false
    this.#hits++
    return true
  }
}

/** The rules in force on a disk; of several that fit a call, the oldest one strikes. */
export class FaultRules {
  #rules: ActiveRule[] = []

  add(rule: FaultRule): InjectedFault {
    if (rule.path instanceof RegExp && (rule.path.global || rule.path.sticky)) {
      throw new PocketMQError('INVALID_ARGUMENT', 'a fault rule takes a regular expression without the flags g and y', {
        hint: 'Leave the flags out: such an expression remembers where it last matched.',
        details: { option: 'path', given: String(rule.path) },
      })
    }
    const active = new ActiveRule(rule, removed => {
      this.#rules = this.#rules.filter(other => other !== removed)
    })
    this.#rules.push(active)
    return active
  }

  clear(): void {
    this.#rules = []
  }

  /** The fault that this call meets, if any. */
  strike(operation: DiskOperation, path: string): Fault | undefined {
    // Almost always there is no rule, and this is on the path of every write.
    if (this.#rules.length === 0) return undefined
    return this.#rules.find(active => active.strikes(operation, path))?.rule.fault
  }
}

function patternOf(pattern: string): RegExp {
  const parts = pattern.split(/(\*\*|\*)/).map(part => {
    if (part === '**') return '.*'
    return part === '*' ? '[^/]*' : part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')
  })
  return new RegExp(`(^|/)${parts.join('')}$`)
}
