/**
 * Addresses as the contract writes them. Host side.
 */

/** A numeric address as the contract writes it: no scope, IPv4-mapped as IPv4. */
export function plainAddress(address: string): string {
  const withoutScope = address.split("%")[0]!;
  return /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(withoutScope) ? withoutScope.slice(7) : withoutScope;
}
