-- The Lua half of the module storage: the object around a handle, since methods that wait are Lua functions.
local storage = ...
local open, sync = storage.open, storage.sync
local set, get, keys, dump = storage.set, storage.get, storage.keys, storage.dump
storage.sync, storage.set, storage.get, storage.keys, storage.dump = nil, nil, nil, nil, nil

function storage.open(...)
    local handle, err = open(...)

    if not handle then
        return nil, err
    end

    local methods = {}

    function methods.set(_, ...)
        return set(handle, ...)
    end

    function methods.get(_, ...)
        return get(handle, ...)
    end

    function methods.keys()
        return keys(handle)
    end

    function methods.dump()
        return dump(handle)
    end

    function methods.sync()
        return sync(handle)
    end

    methods.close = methods.sync

    return setmetatable({}, { __index = methods, __metatable = false })
end
