-- Ends the ownership. KEYS: committed. ARGV: generation, owner or nothing.
local found = redis.call('HMGET', KEYS[1], 'owner', 'generation')
if found[1] and found[2] == ARGV[1] and (ARGV[2] == '' or found[1] == ARGV[2]) then
    redis.call('HDEL', KEYS[1], 'owner', 'until')
end
return {'released'}
