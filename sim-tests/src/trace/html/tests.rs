//! Tests of the page's picture.
