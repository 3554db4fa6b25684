---@meta strings

--- Plain text operations, without patterns.
---@class strings
local strings = {}

--- A source of text.
---@class strings.Reader
local Reader = {}

--- A line; with `*a` all, with `*n` a number, with a number, that many bytes.
---@param format? string|integer
---@return string|number|nil
function Reader:read(format) end

--- Stops reading.
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

--- Splits at separators; without one, into characters.
---@param text string
---@param separator? string
---@return string[]
function strings.split(text, separator) end

--- Splits at white space.
---@param text string
---@return string[]
function strings.fields(text) end

--- Removes these characters from both ends.
---@param text string
---@param cutset string
---@return string
function strings.trim(text, cutset) end

--- Removes white space from both ends.
---@param text string
---@return string
function strings.trim_space(text) end

--- Removes the prefix.
---@param text string
---@param prefix string
---@return string
function strings.trim_prefix(text, prefix) end

--- Removes the suffix.
---@param text string
---@param suffix string
---@return string
function strings.trim_suffix(text, suffix) end

--- Whether the text starts with the prefix.
---@param text string
---@param prefix string
---@return boolean
function strings.has_prefix(text, prefix) end

--- Whether the text ends with the suffix.
---@param text string
---@param suffix string
---@return boolean
function strings.has_suffix(text, suffix) end

--- Whether the text contains the part.
---@param text string
---@param part string
---@return boolean
function strings.contains(text, part) end

--- Creates a reader over the text.
---@param text string
---@return strings.Reader
function strings.new_reader(text) end

--- Creates a builder to write to.
---@return strings.Builder
function strings.new_builder() end

return strings
