/** Whether the store takes calls: open, too full, failed, closed. One place decides, so that every call says the same. */
import { PocketMQError } from '../base/errors.ts'

/** The status of one store. */
export class StoreStatus {
  readonly #dir: string
  readonly isReadOnly: boolean
  #failure: PocketMQError | undefined
  #pressure: PocketMQError | undefined
  #isClosed = false

  constructor(dir: string, isReadOnly: boolean) {
    this.#dir = dir
    this.isReadOnly = isReadOnly
  }

  /** Why the store has failed, if it has. */
  get failure(): PocketMQError | undefined {
    return this.#failure
  }

  /** Throws where nothing can be read: closed. A failed store still reads. */
  checkReadable(): void {
    if (this.#isClosed) throw this.closedError()
  }

  /** Throws where nothing can be appended. @throws STORE_CLOSED, STORE_FAILED, READ_ONLY, DISK_FULL */
  checkWritable(): void {
    if (this.#isClosed) throw this.closedError()
    if (this.#failure !== undefined) throw this.#failure
    if (this.isReadOnly) {
      throw new PocketMQError('READ_ONLY', `${this.#dir} is open for reading only`, { hint: 'Open it with `open`.' })
    }
    if (this.#pressure !== undefined) throw this.#pressure
  }

  /** From now on every write rejects with STORE_FAILED, until the folder is opened again. Answers that error. */
  fail(cause: Error): PocketMQError {
    this.#failure ??= new PocketMQError('STORE_FAILED', `the store has failed: ${cause.message}`, {
      hint: 'Close it and open the folder again: recovery finds what is really on the device.',
      cause,
      details: { dir: this.#dir },
    })
    return this.#failure
  }

  /** The device has too little room left, or has it again (undefined). */
  setPressure(error: PocketMQError | undefined): void {
    this.#pressure = error
  }

  get hasPressure(): boolean {
    return this.#pressure !== undefined
  }

  close(): void {
    this.#isClosed = true
  }

  closedError(): PocketMQError {
    return new PocketMQError('STORE_CLOSED', `${this.#dir} is closed`, { hint: 'Open it again.' })
  }
}
