---@meta tcp

--- TCP connections. They are closed when the script ends.
---@class tcp
local tcp = {}

--- Failures raise. `dialTimeout`, `readTimeout`, `writeTimeout`, `closeTimeout` can be read and
--- set, in seconds.
---@class tcp.Connection
local Connection = {}

--- Sends its arguments. Waits.
---@param ... string|number
function Connection:write(...) end

--- The data received so far, up to 1024 bytes; with `*l` a line, with `*a` everything, with `*n` a
--- number, with a number, that many bytes. Waits.
---@param format? string|integer
---@return string|number|nil
function Connection:read(format) end

--- Closes.
function Connection:close() end

--- Connects to `host:port`. The timeout is in seconds. Waits.
---@param address string
---@param timeout? number
---@return tcp.Connection?
---@return string? error
function tcp.open(address, timeout) end

return tcp
