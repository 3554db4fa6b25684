---@meta runtime

--- The platform the server runs on.
---@class runtime
local runtime = {}

--- The operating system, by Go's name: linux.
---@return string
function runtime.goos() end

--- The processor, by Go's name: amd64, arm64.
---@return string
function runtime.goarch() end

return runtime
