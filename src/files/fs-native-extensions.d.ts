/** What `store-lock.ts` uses of fs-native-extensions, which ships no types. */
declare module 'fs-native-extensions' {
  const locks: {
    /** An OFD write lock on a range of bytes; false where somebody else holds one. */
    tryLock(fd: number, offset: number, length: number): boolean
    unlock(fd: number, offset: number, length: number): void
  }
  export default locks
}
