---@meta strings

--- Plain text, without patterns.
---@class strings
local strings = {}

--- A text to be read.
---@class strings.Reader
local Reader = {}

--- A line; with `*a` all, with `*n` a number, with a number so many bytes.
---@param format? string|integer
---@return string|number|nil
function Reader:read(format) end

--- Ends reading.
function Reader:close() end

--- Collects what is written.
---@class strings.Builder
local Builder = {}

--- Appends its arguments.
---@param ... string|number
function Builder:write(...) end

--- All that was written.
---@return string
function Builder:string() end

--- Does nothing.
function Builder:close() end

--- The parts between separators; without one, the characters.
---@param text string
---@param separator? string
---@return string[]
function strings.split(text, separator) end

--- The parts between white space.
---@param text string
---@return string[]
function strings.fields(text) end

--- Without these characters at its ends.
---@param text string
---@param cutset string
---@return string
function strings.trim(text, cutset) end

--- Without white space at its ends.
---@param text string
---@return string
function strings.trim_space(text) end

--- Without the prefix.
---@param text string
---@param prefix string
---@return string
function strings.trim_prefix(text, prefix) end

--- Without the suffix.
---@param text string
---@param suffix string
---@return string
function strings.trim_suffix(text, suffix) end

--- Whether it begins so.
---@param text string
---@param prefix string
---@return boolean
function strings.has_prefix(text, prefix) end

--- Whether it ends so.
---@param text string
---@param suffix string
---@return boolean
function strings.has_suffix(text, suffix) end

--- Whether the part is in it.
---@param text string
---@param part string
---@return boolean
function strings.contains(text, part) end

--- The text as something to read from.
---@param text string
---@return strings.Reader
function strings.new_reader(text) end

--- Something to write to.
---@return strings.Builder
function strings.new_builder() end

return strings
