/** What is used of hypercore, which has no types of its own. */
declare module 'hypercore' {
  export default class Hypercore {
    constructor(storage: string)
    readonly length: number
    ready(): Promise<void>
    append(block: Buffer | readonly Buffer[]): Promise<unknown>
    get(index: number): Promise<Buffer | null>
    close(): Promise<void>
  }
}
