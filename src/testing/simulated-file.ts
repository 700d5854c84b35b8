/** An open file of a simulated disk. */
import type { OpenMode, StoreFile } from '../files/file-system.ts'
import { closedFile, ioError } from '../files/io-error.ts'
import type { DiskOperation, Fault } from './fault-rules.ts'
import { errnoError } from './fault-rules.ts'
import { PAGE_BYTES } from './paged-bytes.ts'
import type { FileNode } from './simulated-nodes.ts'

/** What an open file asks of its disk. */
export type DiskServices = {
  /** Counts the call, lets a fault strike, and throws it unless it is one the file has to play itself. */
  begin(operation: DiskOperation, path: string): Fault | undefined
  /** The call has taken effect. */
  end(operation: DiskOperation, path: string): void
  nowMs(): number
  freePages(): number
  tookPages(count: number): void
  writeBack(node: FileNode): void
  flushFile(node: FileNode, path: string): Promise<void>
  /** One handle less. */
  closed(): void
}

/** A StoreFile on a simulated disk. Reads and writes end in the turn they were called in, flushes in a later one. */
export class SimulatedFile implements StoreFile {
  readonly path: string
  readonly #node: FileNode
  readonly #disk: DiskServices
  readonly #canWrite: boolean
  #isClosed = false

  constructor(path: string, how: OpenMode, node: FileNode, disk: DiskServices) {
    this.path = path
    this.#node = node
    this.#disk = disk
    this.#canWrite = how !== 'read'
  }

  async sizeBytes(): Promise<number> {
    return this.sizeBytesSync()
  }

  sizeBytesSync(): number {
    this.#check('stat')
    this.#disk.begin('stat', this.path)
    return this.#node.length
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    return this.readSync(target, position)
  }

  readSync(target: Uint8Array, position: number): number {
    this.#check('read')
    const fault = this.#disk.begin('read', this.path)
    const count = Math.max(0, Math.min(target.length, this.#node.length - position))
    const bytes = target.subarray(0, count)
    this.#node.live.read(bytes, position)
    if (fault !== undefined && 'flippedBit' in fault) {
      const at = fault.flippedBit.position - position
      if (at >= 0 && at < count) bytes[at] = (bytes[at] as number) ^ (1 << fault.flippedBit.bit)
    }
    return count
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    this.writeSync(bytes, position)
  }

  writeSync(bytes: Uint8Array, position: number): void {
    this.#check('write')
    const fault = this.#disk.begin('write', this.path)
    if (fault !== undefined && 'errno' in fault) {
      const through = Math.min(bytes.length, fault.writtenBytes ?? 0)
      this.#put(bytes.subarray(0, through), position)
      throw this.#failed(fault.errno, position, through)
    }
    const through = this.#node.live.roomFor(bytes.length, position, this.#disk.freePages())
    this.#put(bytes.subarray(0, through), position)
    if (through < bytes.length) throw this.#failed('ENOSPC', position, through)
    this.#disk.end('write', this.path)
  }

  async setLength(bytes: number): Promise<void> {
    this.setLengthSync(bytes)
  }

  setLengthSync(bytes: number): void {
    this.#check('truncate')
    this.#disk.begin('truncate', this.path)
    const before = this.#node.live.pageCount
    this.#node.setLength(bytes, this.#disk.nowMs())
    this.#disk.tookPages(this.#node.live.pageCount - before)
    this.#disk.end('truncate', this.path)
  }

  async flush(): Promise<void> {
    if (this.#isClosed) throw closedFile(this.path)
    await this.#disk.flushFile(this.#node, this.path)
  }

  async close(): Promise<void> {
    this.closeSync()
  }

  closeSync(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#disk.closed()
  }

  #put(bytes: Uint8Array, position: number): void {
    if (bytes.length === 0) return
    const before = this.#node.live.pageCount
    this.#node.write(bytes, position, this.#disk.nowMs())
    this.#disk.tookPages(this.#node.live.pageCount - before)
    this.#disk.writeBack(this.#node)
  }

  #check(operation: DiskOperation): void {
    if (this.#isClosed) throw closedFile(this.path)
    if (this.#canWrite || (operation !== 'write' && operation !== 'truncate')) return
    throw ioError(errnoError('EBADF', operation, this.path), operation, this.path)
  }

  #failed(
    errno: 'EIO' | 'ENOSPC' | 'EDQUOT' | 'EROFS' | 'EACCES' | 'EMFILE',
    position: number,
    writtenBytes: number,
  ): Error {
    return ioError(errnoError(errno, 'write', this.path), 'write', this.path, { position, writtenBytes })
  }
}

/** How many whole pages fit in so many bytes. */
export function pagesIn(bytes: number): number {
  return Math.floor(bytes / PAGE_BYTES)
}
