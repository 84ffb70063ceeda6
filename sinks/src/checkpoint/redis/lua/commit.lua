-- Commits. KEYS: committed. ARGV: generation, owner or nothing, n, manifest, the last commit's number or nothing if not known.
local found = redis.call('HMGET', KEYS[1], 'owner', 'generation', 'n', 'committed_by', 'manifest', 'folded')
if not found[1] or found[2] ~= ARGV[1] or (ARGV[2] ~= '' and found[1] ~= ARGV[2]) then
    return {'fenced', found[2] or '0'}
end
-- A repeated commit is written again: replicas are waited for by what this connection wrote.
local same = found[3] == ARGV[3] and found[4] == ARGV[1] and found[5] == ARGV[4]
local last = tonumber(found[3] or '0')
if not same and ((found[3] and tonumber(ARGV[3]) <= last) or (ARGV[5] ~= '' and last < tonumber(ARGV[5]))) then
    return {'order', found[3] or '0'}
end
redis.call('HSET', KEYS[1], 'committed_by', ARGV[1], 'n', ARGV[3], 'manifest', ARGV[4])
return {'committed', found[6] or '0'}
